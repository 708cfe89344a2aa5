-- Riverrun's outbox, version 1. All of it may be run again: what is there stays as it is.

create sequence if not exists {schema}.riverrun_outbox_id;

-- Two partitions of which one is written: when transactions that stay open keep dead rows in it, relays turn to the other one and empty
-- the first as a whole.
create table if not exists {schema}.riverrun_outbox (
    -- Drawn under the lock of the aggregate: within one, the order of ids is the order of commits.
    id           bigint not null default nextval('{schema_text}.riverrun_outbox_id'),
    slot         smallint not null default 0,
    -- Which transaction stored the row. Relays read what the snapshot before did not show them, since ids do not commit in order.
    xid          xid8 not null default pg_current_xact_id(),
    -- What relays share the aggregates by, from 0 to 63.
    shard        smallint not null,
    topic        text not null,
    key          text,
    event_id     text not null,
    source       text not null,
    type         text not null,
    subject      text,
    time         timestamptz,
    content_type text,
    data_schema  text,
    -- Extension attributes: name, value, name, value.
    attributes   text[],
    data         bytea,
    stored_at    timestamptz not null default clock_timestamp(),
    -- How often a relay tried in vain, why, and when it tries again.
    attempts     integer not null default 0,
    error        text,
    retry_at     timestamptz,
    -- Since when it is not to be processed any more.
    dead_at      timestamptz,
    -- Whether later rows of the aggregate wait for this one.
    blocks       boolean not null default false,
    primary key (id, slot)
) partition by list (slot);

-- Rows live for milliseconds: compressing them would be work for nothing.
alter table {schema}.riverrun_outbox alter column data set storage external;

create table if not exists {schema}.riverrun_outbox_0 partition of {schema}.riverrun_outbox for values in (0)
    with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
create table if not exists {schema}.riverrun_outbox_1 partition of {schema}.riverrun_outbox for values in (1)
    with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);

-- Which of them is written.
create table if not exists {schema}.riverrun_outbox_slot (slot smallint not null);
insert into {schema}.riverrun_outbox_slot select 0 where not exists (select from {schema}.riverrun_outbox_slot);

create index if not exists riverrun_outbox_unseen on {schema}.riverrun_outbox (xid, id);
-- By a hash: a key may be longer than what an index takes.
create index if not exists riverrun_outbox_blocking on {schema}.riverrun_outbox (hashtextextended(key, 0), id) where blocks;
create index if not exists riverrun_outbox_dead on {schema}.riverrun_outbox (id) where dead_at is not null;
create index if not exists riverrun_outbox_retried on {schema}.riverrun_outbox (id) where retry_at is not null;

-- What is wrong with an event, or null: the rules of every door.
create or replace function {schema}.riverrun_fault(
    topic text, key text, event_id text, source text, type text, subject text, content_type text, data_schema text,
    attributes text[], data bytea
) returns text language plpgsql immutable as $$
declare
    -- Control characters, and what Unicode keeps for no characters: 32 in one block, and the last two of each plane.
    forbidden constant text := '[\x01-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff'
        '\U0001fffe\U0001ffff\U0002fffe\U0002ffff\U0003fffe\U0003ffff\U0004fffe\U0004ffff'
        '\U0005fffe\U0005ffff\U0006fffe\U0006ffff\U0007fffe\U0007ffff\U0008fffe\U0008ffff'
        '\U0009fffe\U0009ffff\U000afffe\U000affff\U000bfffe\U000bffff\U000cfffe\U000cffff'
        '\U000dfffe\U000dffff\U000efffe\U000effff\U000ffffe\U000fffff\U0010fffe\U0010ffff]';
    in_no_uri constant text := '[ <>"{}|\\^\x60]';
    media     constant text := '^\s*[!#$%&''*+.^_\x60|~0-9A-Za-z-]+/[!#$%&''*+.^_\x60|~0-9A-Za-z-]+\s*(;|$)';
    name      text;
    names     text[] := '{}';
begin
    if topic is null or topic !~ '^[a-z0-9-][a-z0-9._-]{0,199}$' then
        return format('the topic %L is no name: 1 to 200 of a-z, 0-9, ''.'', ''_'' and ''-'', beginning with a letter, digit or ''-''', topic);
    elsif coalesce(event_id, '') = '' or coalesce(source, '') = '' or coalesce(type, '') = '' then
        return 'the id, source or type is missing or empty';
    elsif subject = '' or content_type = '' or data_schema = '' then
        return 'the subject, datacontenttype or dataschema is empty; leave it out instead';
    elsif greatest(octet_length(event_id), octet_length(source), octet_length(type), octet_length(subject),
                   octet_length(content_type), octet_length(data_schema)) > 4096 then
        return 'an id, source, type, subject, datacontenttype or dataschema has more than 4096 bytes';
    elsif octet_length(key) > 65536 then
        return 'the key has more than 65536 bytes';
    elsif concat(key, event_id, source, type, subject, content_type, data_schema, array_to_string(attributes, '')) ~ forbidden then
        return 'control characters are not allowed in the key or an attribute (CloudEvents 1.0)';
    elsif source ~ in_no_uri or data_schema ~ in_no_uri then
        return 'the source or dataschema has a character that cannot stand in a URI; percent-encode it';
    elsif content_type is not null and content_type !~ media then
        return 'the datacontenttype is no media type such as application/json';
    end if;
    if attributes is not null then
        if array_ndims(attributes) > 1 or array_lower(attributes, 1) <> 1 or cardinality(attributes) % 2 <> 0
           or array_position(attributes, null) is not null then
            return 'the extension attributes are no list of name, value, name, value';
        elsif cardinality(attributes) > 128 then
            return 'more than 64 extension attributes';
        elsif octet_length(array_to_string(attributes, '')) > 32768 then
            return 'the extension attributes have more than 32768 bytes together';
        end if;
        for at in 1 .. cardinality(attributes) by 2 loop
            name := attributes[at];
            if name !~ '^[a-z0-9]+$' or name in ('specversion', 'id', 'source', 'type', 'subject', 'time',
                                                'datacontenttype', 'dataschema', 'data', 'partitionkey') then
                return format('%L is no name of an extension attribute: only a-z and 0-9, and none of CloudEvents'' own', name);
            elsif name = any(names) then
                return format('the extension attribute %L is stated twice', name);
            end if;
            names := names || name;
        end loop;
    end if;
    if data is not null and (content_type is null or content_type ~* '[/+]json\s*(;|$)') then
        begin
            perform convert_from(data, 'UTF8')::json;
        exception when data_exception then
            return format('the data is not JSON: %s', sqlerrm);
        end;
    end if;
    return null;
end $$;

-- Stores an event in the caller's transaction, and gives the row's id. Every library and riverrun_publish end here.
create or replace function {schema}.riverrun_store(
    topic text, key text, event_id text, source text, type text, subject text, "time" timestamptz,
    content_type text, data_schema text, attributes text[], data bytea
) returns bigint language plpgsql as $$
#variable_conflict use_variable
declare
    fault   text := {schema}.riverrun_fault(topic, key, event_id, source, type, subject, content_type, data_schema, attributes, data);
    related text := topic || chr(31) || coalesce(key, event_id);
    row_id  bigint;
begin
    if fault is not null then
        raise exception 'the event is not stored: %', fault using errcode = 'invalid_parameter_value';
    end if;
    -- Whoever publishes for the same aggregate waits until this transaction has ended, and draws its id only then.
    if key is not null and coalesce(current_setting('riverrun.lock_aggregates', true), '') <> 'off' then
        perform pg_advisory_xact_lock(hashtextextended(related, '{schema_text}.riverrun_outbox'::regclass::oid::bigint));
    end if;
    insert into {schema}.riverrun_outbox
        (slot, shard, topic, key, event_id, source, type, subject, time, content_type, data_schema, attributes, data)
    values
        ((select written.slot from {schema}.riverrun_outbox_slot as written), hashtextextended(related, 0) & 63, topic, key, event_id, source, type, subject, "time", content_type, data_schema, attributes, data)
    returning id into row_id;
    return row_id;
end $$;

-- Publishes an event in the caller's transaction, and gives the event's id.
--
-- `data`: JSON, as text, json or jsonb; bytea for other media types; null means that what the event is about is gone.
-- `headers`: extension attributes, and `id`, `source`, `subject`, `time`, `datacontenttype` and `dataschema` where the defaults do not fit.
create or replace function {schema}.riverrun_publish(
    topic text, key text, type text, data anycompatible, headers jsonb default '{}'
) returns text language plpgsql as $$
#variable_conflict use_variable
declare
    own        constant text[] := array['id', 'source', 'subject', 'time', 'datacontenttype', 'dataschema'];
    event_id   text := coalesce(headers ->> 'id', gen_random_uuid()::text);
    attributes text[];
    bytes      bytea;
begin
    if exists (select from jsonb_each(headers) as entry where jsonb_typeof(entry.value) in ('object', 'array')) then
        raise exception 'the event is not stored: a header is an object or a list; only texts, numbers and booleans are attributes'
            using errcode = 'invalid_parameter_value';
    end if;
    if headers - own <> '{}' then
        select array_agg(part.word order by entry.position, part.place) into attributes
        from jsonb_each(headers - own) with ordinality as entry (name, value, position),
             lateral (values (1, entry.name), (2, entry.value #>> '{}')) as part (place, word)
        where jsonb_typeof(entry.value) <> 'null';
    end if;
    if pg_typeof(data) = 'bytea'::regtype then
        bytes := data::text::bytea;
    else
        bytes := convert_to(data::text, 'UTF8');
    end if;
    perform {schema}.riverrun_store(
        topic, key, event_id,
        coalesce(headers ->> 'source', nullif(current_setting('riverrun.source', true), ''), '/' || current_database()),
        type, headers ->> 'subject', coalesce((headers ->> 'time')::timestamptz, clock_timestamp()),
        headers ->> 'datacontenttype', headers ->> 'dataschema', attributes, bytes);
    return event_id;
end $$;

-- Wakes the relays of this outbox.
create or replace function {schema}.riverrun_wake() returns trigger language plpgsql as $$
begin
    perform pg_notify('riverrun_outbox_' || '{schema_text}.riverrun_outbox'::regclass::oid, 'rows');
    return null;
end $$;

-- A relay that sleeps holds the lock of each of its shards; then, and only then, it has to be woken. Its lock is granted when every
-- transaction has ended that stored a row without a notification.
drop trigger if exists riverrun_outbox_wake on {schema}.riverrun_outbox;
create trigger riverrun_outbox_wake after insert on {schema}.riverrun_outbox for each row
    when (not pg_try_advisory_xact_lock_shared('{schema_text}.riverrun_outbox'::regclass::oid::int, 64 + new.shard))
    execute function {schema}.riverrun_wake();

-- Has relays look at all rows again, since some that were passed over may be published now.
create or replace function {schema}.riverrun_again() returns void language sql as $$
    select pg_notify('riverrun_outbox_' || '{schema_text}.riverrun_outbox'::regclass::oid, 'again')
$$;

-- Processes rows again that were marked not to be processed any more. Gives how many there were.
create or replace function {schema}.riverrun_outbox_retry(ids bigint[]) returns bigint language plpgsql as $$
declare
    many bigint;
begin
    update {schema}.riverrun_outbox set dead_at = null, retry_at = null, attempts = 0, error = null, blocks = false
    where id = any(ids) and dead_at is not null;
    get diagnostics many = row_count;
    perform {schema}.riverrun_again();
    return many;
end $$;

-- Removes rows that were marked not to be processed any more; what waits behind them goes on. Gives how many there were.
create or replace function {schema}.riverrun_outbox_discard(ids bigint[]) returns bigint language plpgsql as $$
declare
    many bigint;
begin
    delete from {schema}.riverrun_outbox where id = any(ids) and dead_at is not null;
    get diagnostics many = row_count;
    perform {schema}.riverrun_again();
    return many;
end $$;

-- The channel on which a topic's new positions are told. Names of channels have at most 63 bytes; who shares one wakes up once too often.
create or replace function {schema}.riverrun_channel(topic text) returns text language sql immutable as $$
    select 'riverrun.' || left(topic, 54)
$$;

-- What a consumer has processed.
create table if not exists {schema}.riverrun_inbox (
    consumer     text not null,
    -- SHA-256 of source and id, which may be longer than what an index takes.
    identity     bytea not null,
    event_id     text not null,
    processed_at timestamptz not null default now(),
    primary key (consumer, identity)
);

-- Whether the consumer has processed the event before. If not, it counts as processed when the caller's transaction commits.
create or replace function {schema}.riverrun_processed(consumer text, source text, event_id text) returns boolean language plpgsql as $$
#variable_conflict use_variable
begin
    insert into {schema}.riverrun_inbox (consumer, identity, event_id)
    values (consumer, sha256(convert_to(source || chr(31) || event_id, 'UTF8')), event_id)
    on conflict do nothing;
    return not found;
end $$;
