-- What Debezium's side of the transactional outbox needs in the database: its outbox table, as its documentation has it, and what it reads.
--
-- No index: nobody looks a row up, and whoever inserts would pay for it. The documentation lets a writer delete the row in the transaction
-- that inserts it, since only the log is read. Here writers only insert, which is the cheapest for them and for Debezium, and whoever
-- wants the space back truncates. A writer that deletes by id needs a key on it: without one every delete reads the table.

CREATE TABLE outbox (
    id uuid NOT NULL,
    aggregatetype varchar(255) NOT NULL,
    aggregateid varchar(255) NOT NULL,
    type varchar(255) NOT NULL,
    payload jsonb
);

-- Deletes are ignored by the event router, so they need not be sent. That also spares the table a replica identity, without which
-- PostgreSQL refuses deletes that are published. Made here, where the table's owner is at work: Debezium's own user then needs no more
-- than LOGIN, REPLICATION and SELECT on the table.
CREATE PUBLICATION outbox FOR TABLE outbox WITH (publish = 'insert');
