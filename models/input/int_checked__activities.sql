{{ checked_events('activities', 'occurred_at') }}
