{{ checked_events('interventions', 'taken_at', [("known.action_id is null", "action_id_missing")]) }}
