{{ checked_keys('reps', ['sales_rep_id'], [("sales_rep_id is null", "sales_rep_id_missing")]) }}
