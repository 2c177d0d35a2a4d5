{# Text of the user, for others to read. One line, whatever was typed into it. #}
{% macro one_line(text) -%}
    trim(replace(replace(replace({{ text }}, chr(10), ' '), chr(13), ' '), chr(9), ' '))
{%- endmacro %}

{# What HTML and Slack read as markup. A semicolon within a literal ends the query of a unit test. #}
{% macro escape_html(text) -%}
    replace(replace(replace({{ text }}, '&', '&amp' || chr(59)), '<', '&lt' || chr(59)), '>', '&gt' || chr(59))
{%- endmacro %}

{# Text that Markdown, and the HTML made of it, show as it is. Not all dialects know a backslash before | and ~. #}
{% macro escape_markdown(text) -%}
    {%- set escaped = namespace(text=escape_html("replace(" ~ text ~ ", '\\', '\\\\')")) -%}
    {%- for mark in ['`', '*', '_', '[', ']', '#', '!'] -%}
        {%- set escaped.text = "replace(" ~ escaped.text ~ ", '" ~ mark ~ "', '\\" ~ mark ~ "')" -%}
    {%- endfor -%}
    replace(replace({{ escaped.text }}, '|', '&#124' || chr(59)), '~', '&#126' || chr(59))
{%- endmacro %}

{# At most `limit` characters of escaped text for Slack: cut before it is escaped, so that no entity is cut. One character becomes five at most. #}
{% macro slack_text(text, limit) -%}
    case
        when length({{ escape_html(text) }}) <= {{ limit }} then {{ escape_html(text) }}
        else {{ escape_html("left(" ~ text ~ ", " ~ (limit // 5 - 1) ~ ")") }} || '…'
    end
{%- endmacro %}

{# A text as a JSON string. #}
{% macro json_text(text) -%}
    {{ return(adapter.dispatch("json_text", "pipeline_intelligence")(text)) }}
{%- endmacro %}

{% macro default__json_text(text) -%}
    cast(to_json({{ text }}) as varchar)
{%- endmacro %}

{% macro is_json(text) -%}
    {{ return(adapter.dispatch("is_json", "pipeline_intelligence")(text)) }}
{%- endmacro %}

{% macro default__is_json(text) -%}
    json_valid({{ text }})
{%- endmacro %}

{# A block of Slack's Block Kit whose text is shown as it is: plain_text knows no markup, and no emoji. Slack takes 150 characters in a
   header and 3,000 in a section. #}
{% macro slack_block(type, text) -%}
    {%- set limit = 150 if type == "header" else 3000 -%}
    {%- set object = "'{\"type\": \"plain_text\", \"emoji\": false, \"text\": ' || " ~ json_text(slack_text(text, limit)) ~ " || '}'" -%}
    {%- if type == "context" -%}
    '{"type": "context", "elements": [' || {{ object }} || ']}'
    {%- else -%}
    '{"type": "{{ type }}", "text": ' || {{ object }} || '}'
    {%- endif -%}
{%- endmacro %}

{# '12,345' of an amount. #}
{% macro money(amount) -%}
    {{ return(adapter.dispatch("money", "pipeline_intelligence")(amount)) }}
{%- endmacro %}

{% macro default__money(amount) -%}
    format('{:,}', cast(round({{ amount }}) as bigint))
{%- endmacro %}

{# Ends the query with a message. #}
{% macro raise_message(message) -%}
    {{ return(adapter.dispatch("raise_message", "pipeline_intelligence")(message)) }}
{%- endmacro %}

{% macro default__raise_message(message) -%}
    error({{ message }})
{%- endmacro %}
