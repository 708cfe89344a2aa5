-- The shop's own tables. The outbox is made by `riverrun outbox init`.
create table if not exists stock (
    product text primary key,
    pieces  integer not null check (pieces >= 0)
);
create table if not exists orders (
    id      text primary key,
    product text not null references stock,
    pieces  integer not null check (pieces > 0)
);
-- The billing service's table. Nothing in it keeps an order from being invoiced twice; the inbox does.
create table if not exists invoices (
    number   bigint generated always as identity primary key,
    order_id text not null,
    cents    integer not null
);
insert into stock values ('tea', 5), ('cake', 1) on conflict do nothing;
