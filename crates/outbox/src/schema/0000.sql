-- Where the outbox is, and its version.

do $$
begin
    -- `create schema if not exists` asks for a right even where there is nothing to create.
    if to_regnamespace('{schema_text}') is null then
        create schema {schema};
    end if;
end $$;

create table if not exists {schema}.riverrun_outbox_version (
    version integer primary key,
    applied timestamptz not null default now()
);
