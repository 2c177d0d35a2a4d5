-- A row of the playbook seed that can't be used stops with its name and the reason. The file of playbook_file is checked before the build.
select *
from ({{ play_problems(ref('playbook')) }}) as problems
where error('Playbook: play ''' || coalesce(play_id, '(blank)') || ''' can''t be used: ' || problem) is null
