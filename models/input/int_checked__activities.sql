{{ checked_events('activities', 'occurred_at', mapped='activity_type') }}
