{{ config(materialized = "view") }}
-- Stand-in until the visits have an intermediate model of this name.
select * from {{ ref('fct_deal_stage_visits') }}
