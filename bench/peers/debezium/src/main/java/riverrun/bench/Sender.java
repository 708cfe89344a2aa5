package riverrun.bench;

import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.RecordChangeEvent;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.source.SourceRecord;

/** Writes what the event router made of a batch, and calls the batch done once Kafka has all of it. */
final class Sender implements DebeziumEngine.ChangeConsumer<RecordChangeEvent<SourceRecord>> {
    private final KafkaProducer<byte[], byte[]> producer;
    private final AtomicReference<Exception> refused = new AtomicReference<>();

    Sender(KafkaProducer<byte[], byte[]> producer) {
        this.producer = producer;
    }

    @Override
    public void handleBatch(
            List<RecordChangeEvent<SourceRecord>> batch, DebeziumEngine.RecordCommitter<RecordChangeEvent<SourceRecord>> committer)
            throws InterruptedException {
        for (RecordChangeEvent<SourceRecord> event : batch) {
            producer.send(record(event.record()), (position, error) -> {
                if (error != null) {
                    refused.compareAndSet(null, error);
                }
            });
        }
        producer.flush();
        if (refused.get() != null) {
            throw new KafkaException("a record was refused", refused.get());
        }
        for (RecordChangeEvent<SourceRecord> event : batch) {
            committer.markProcessed(event);
        }
        committer.markBatchFinished();
    }

    /** The payload is text as PostgreSQL wrote it; no converter has to look into it. */
    private static ProducerRecord<byte[], byte[]> record(SourceRecord routed) {
        ProducerRecord<byte[], byte[]> record =
            new ProducerRecord<>(routed.topic(), null, routed.timestamp(), bytes(routed.key()), bytes(routed.value()));
        for (Header header : routed.headers()) {
            record.headers().add(header.key(), bytes(header.value()));
        }
        return record;
    }

    private static byte[] bytes(Object text) {
        return text == null ? null : ((String) text).getBytes(StandardCharsets.UTF_8);
    }
}
