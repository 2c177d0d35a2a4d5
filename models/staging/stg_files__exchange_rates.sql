select * from {{ source("landing", "exchange_rates") }}
