select * from {{ landed("exchange_rates") }}
