"""The mathematics of the models, as a plain package: it knows nothing of dbt and of this project's tables, and reads no clock.

- `intervals`: of shares, their differences, and quotients
- `significance`: p values of single tests
- `multiplicity`: p values of many tests at once
- `logistic`: logistic regressions of grouped deals
- `sequences`: intervals that hold however often they are read
- `survival`: life tables of cases that are still going on
- `tables`: from DuckDB's rows to typed Arrow tables

Statistics come in as counts and sums, as SQL makes them, in a few small frozen types (`Proportion`, `Quotient`, `LifeTable` ...). A figure that
can't be computed is NaN, which `tables` writes as null.
"""
