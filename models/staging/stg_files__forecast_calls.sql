select * from {{ source("landing", "forecast_calls") }}
