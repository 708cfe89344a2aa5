package riverrun.bench;

import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;

/**
 * What Riverrun is measured against: the same two pipelines on Kafka Streams.
 *
 * <p>Takes {@code snapshot|count BROKERS GROUP OUTPUT STATE_DIRECTORY}, ends by itself once all that lay in the topic is processed and
 * committed, and prints one line of JSON.
 */
public final class Main {
    private static final int MIB = 1024 * 1024;

    public static void main(String[] arguments) throws Exception {
        if (arguments.length != 5) {
            System.err.println("usage: snapshot|count BROKERS GROUP OUTPUT STATE_DIRECTORY");
            System.exit(2);
        }
        Topology topology = switch (arguments[0]) {
            case "snapshot" -> Snapshot.topology(arguments[3]);
            case "count" -> Count.topology(arguments[3]);
            default -> throw new IllegalArgumentException("no pipeline " + arguments[0]);
        };
        try (KafkaStreams streams = new KafkaStreams(topology, settings(arguments))) {
            streams.setUncaughtExceptionHandler(error -> {
                error.printStackTrace();
                // Where it stands would otherwise be waited for.
                Runtime.getRuntime().halt(1);
                return null;
            });
            streams.start();
            new Progress(streams, Count.FLIGHTS).await(arguments[0]);
        }
    }

    private static Properties settings(String[] arguments) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[1]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[2]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[4]);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        // The same compression and sizes as Riverrun's client has.
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "lz4");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), MIB / 4);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 4 * MIB);
        settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5_000);
        // As many as one poll may bring: with fewer, partitions are paused and resumed all the time.
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 5_000);
        return settings;
    }

    private Main() {}
}
