select * from {{ landed("forecast_calls") }}
