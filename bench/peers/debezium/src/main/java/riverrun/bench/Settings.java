package riverrun.bench;

import java.nio.file.Path;
import java.util.Properties;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** What the engine and the producer are told. Figures are those of two cores shared with PostgreSQL, the broker and the writer. */
final class Settings {
    /** The connector's name, that of its publication, and that of its table in the schema {@code public}; schema.sql makes both. */
    static final String NAME = "outbox";

    private static final int KIB = 1024;

    static Properties engine(Arguments arguments) {
        Properties settings = new Properties();
        settings.put("name", NAME);
        settings.put("connector.class", "io.debezium.connector.postgresql.PostgresConnector");
        settings.put("topic.prefix", NAME);
        settings.put("database.hostname", arguments.host());
        settings.put("database.port", arguments.port());
        settings.put("database.dbname", arguments.database());
        settings.put("database.user", arguments.user());
        // On one machine Riverrun's relay has no TLS unless it is asked for; Debezium would have it where the server offers it.
        settings.put("database.sslmode", "disable");
        settings.put("plugin.name", "pgoutput");
        settings.put("slot.name", arguments.slot());
        settings.put("publication.name", NAME);
        // Made by schema.sql, so that it has inserts only.
        settings.put("publication.autocreate.mode", "disabled");
        settings.put("table.include.list", "public." + NAME);
        // What is to be sent is in the log, from the slot's beginning; a slot that is not there begins with the first start. With initial a
        // start without stored offsets, as after one that saw no event, reads the table instead and goes on behind it: rows deleted by then are lost.
        settings.put("snapshot.mode", "no_data");

        Path offsets = arguments.folder().resolve("offsets.dat");
        settings.put("offset.storage", "org.apache.kafka.connect.storage.FileOffsetBackingStore");
        settings.put("offset.storage.file.filename", offsets.toString());
        // How much is sent again after a crash, and how much log PostgreSQL keeps: a minute's by default. Writing a second's costs under
        // 0.5 % of a core.
        settings.put("offset.flush.interval.ms", "1000");

        settings.put("transforms", NAME);
        settings.put("transforms.outbox.type", "io.debezium.transforms.outbox.EventRouter");
        settings.put("transforms.outbox.route.topic.replacement", "${routedByValue}");
        // Else each record has four more headers that say which connector it is from.
        settings.put("extended.headers.enabled", "false");

        // Both how long the log is left alone once nothing came, and how long a batch that is not full waits for more. Median from commit to
        // consumer at 500 events a second, CPU at that rate and at rest, in shares of a core: 1 ms: 5 ms, 58 %, 47 % (on a busier machine);
        // 5 ms: 7 ms, 56 %, 19 %; 10 ms: 10 ms, 43 %, 11 %; 20 ms: 18 ms, 43 %, 7 %. The default, 500 ms, is none for an outbox.
        settings.put("poll.interval.ms", "10");
        // The sender waits for Kafka after each batch while the queue fills. Events a second of a backlog once it runs warm: 39,000 with
        // batches of 2,048, the default, 44,000 with 4,096, 40,000 with 8,192; each doubling takes 20 to 30 MB more.
        settings.put("max.batch.size", "4096");
        settings.put("max.queue.size", "16384");
        // Each record's transform is a task of its own; the order is kept with any number of threads. As many as needed, the default, or two:
        // no faster, a tenth more CPU, and 30 to 60 MB more.
        settings.put("record.processing.threads", "1");
        return settings;
    }

    static Properties producer(Arguments arguments) {
        Properties settings = new Properties();
        settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, arguments.brokers());
        settings.put(ProducerConfig.KEY_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class.getName());
        settings.put(ProducerConfig.VALUE_SERIALIZER_CLASS_CONFIG, ByteArraySerializer.class.getName());
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        settings.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
        // Costs no time, since the sender flushes when it has given its batch away, and fewer requests than 0: 43 % of a core instead of 50 %
        // at 500 events a second.
        settings.put(ProducerConfig.LINGER_MS_CONFIG, 5);
        // As Riverrun's client has.
        settings.put(ProducerConfig.BATCH_SIZE_CONFIG, 256 * KIB);
        return settings;
    }

    private Settings() {}
}
