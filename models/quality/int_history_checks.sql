with

int_checked__field_history as (
    select * from {{ ref('int_checked__field_history') }}
    where reason_codes is null
),

int_value_maps as (
    select distinct
        column_name,
        mapped_value
    from {{ ref('int_value_maps') }}
),

int_as_of as (
    select * from {{ ref('int_as_of') }}
    where not is_given
),

-- The rows of a field and an input: of tens of millions of changes only these go on.
fields as (
    select
        input,
        field,
        sum(row_count) as row_count
    from int_checked__field_history
    group by input, field
),

activity_types as (
    select
        activity_type,
        sum(row_count) as row_count
    from {{ ref('int_checked__activities') }}
    where
        reason_codes is null
        and activity_type is not null
    group by activity_type
),

final as (
    select
        fields.input,
        concat('unknown_field: ', fields.field) as check_name,
        cast(fields.row_count as bigint) as row_count,
        'changes of a field that nobody knows: if it is one that the project reads, say so in value_maps' as message
    from fields
    left join int_value_maps
        on
            int_value_maps.column_name = 'field'
            and fields.field = int_value_maps.mapped_value
    where int_value_maps.mapped_value is null

    union all

    select
        'activities' as input,
        concat('unknown_activity_type: ', activity_types.activity_type) as check_name,
        cast(activity_types.row_count as bigint) as row_count,
        'activities of a type that nobody knows: they count, under their own name; value_maps can give it another' as message
    from activity_types
    left join int_value_maps
        on
            int_value_maps.column_name = 'activity_type'
            and activity_types.activity_type = int_value_maps.mapped_value
    where int_value_maps.mapped_value is null

    {%- if not reads_recorded_stages() %}

    union all

    select
        input,
        'stages_not_read' as check_name,
        cast(row_count as bigint) as row_count,
        'stages that nothing reads, because another input gives the stage history' as message
    from fields
    where field = 'stage'
    {%- endif %}

    union all

    select
        'value_intervals' as input,
        check_name,
        row_count,
        message
    from {{ ref('int_interval_checks') }}
    where row_count > 0

    union all

    select
        'deals' as input,
        'stages_other_than_history' as check_name,
        count(*) as row_count,
        'open deals whose stage in the deals file is not the last one of the stage history: the newer of the two counts' as message
    from {{ ref('int_current_stages') }}
    where stage_newer_in is not null
    having count(*) > 0

    union all

    select
        'activities' as input,
        'activities_planned' as check_name,
        count(*) as row_count,
        'activities dated after the as-of date, which no deal has reached: planned ones are not yet known, and do not move it' as message
    from {{ ref('int_input__activities') }} as activities
    inner join int_as_of
        on cast({{ to_timestamp('activities.occurred_at', 'activities') }} as date) > int_as_of.as_of_date
    having count(*) > 0
)

select * from final
