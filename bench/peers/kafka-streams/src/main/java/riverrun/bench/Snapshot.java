package riverrun.bench;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.GlobalKTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.ContextualFixedKeyProcessor;
import org.apache.kafka.streams.processor.api.ContextualProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * Each flight with its plane, its airline and the weather where it starts, as of its time.
 *
 * <p>Planes and airlines have one version each, so their newest is the one of any time: global tables. A global table has no versions,
 * so the weather is a global store with a row for each place and time.
 */
final class Snapshot {
    private static final String WEATHER = "weather";
    /** The weather is observed every hour; a longer range is only looked at where there is none of these hours. */
    private static final long NEAR_MS = Duration.ofHours(6).toMillis();

    static Topology topology(String output) {
        StreamsBuilder builder = new StreamsBuilder();
        GlobalKTable<String, byte[]> planes = table(builder, "planes");
        GlobalKTable<String, byte[]> airlines = table(builder, "airlines");
        builder.addGlobalStore(
            Stores.keyValueStoreBuilder(Stores.inMemoryKeyValueStore(WEATHER), Serdes.Bytes(), Serdes.ByteArray()).withLoggingDisabled(),
            WEATHER,
            Consumed.with(Serdes.String(), Serdes.ByteArray()),
            KeepVersions::new);

        Serde<Flight> flights = Serdes.serdeFrom((topic, flight) -> flight.json(), (topic, json) -> Flight.parse(json));
        Serde<Departure> departures = Serdes.serdeFrom((topic, departure) -> departure.json(), (topic, json) -> null);
        builder.stream(Count.FLIGHTS, Consumed.with(Serdes.String(), flights))
            .leftJoin(planes, (tailNumber, flight) -> tailNumber, Departure::new)
            .leftJoin(airlines, (tailNumber, departure) -> departure.flight().carrier(), Departure::withAirline)
            .processValues(AddWeather::new)
            .to(output, Produced.with(Serdes.String(), departures));
        return builder.build();
    }

    private static GlobalKTable<String, byte[]> table(StreamsBuilder builder, String topic) {
        return builder.globalTable(
            topic,
            Consumed.with(Serdes.String(), Serdes.ByteArray()),
            Materialized.<String, byte[]>as(Stores.inMemoryKeyValueStore(topic)).withLoggingDisabled());
    }

    /** Rows sort by place, then time. */
    private static Bytes row(byte[] origin, long time) {
        return Bytes.wrap(ByteBuffer.allocate(origin.length + 1 + Long.BYTES).put(origin).put((byte) 0).putLong(time).array());
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Keeps every observation of the weather. */
    private static final class KeepVersions extends ContextualProcessor<String, byte[], Void, Void> {
        private KeyValueStore<Bytes, byte[]> rows;

        @Override
        public void init(ProcessorContext<Void, Void> context) {
            rows = context.getStateStore(WEATHER);
        }

        @Override
        public void process(Record<String, byte[]> observed) {
            rows.put(row(utf8(observed.key()), observed.timestamp()), observed.value());
        }
    }

    /** Looks the weather up: the newest observation that is not after the flight. */
    private static final class AddWeather extends ContextualFixedKeyProcessor<String, Departure, Departure> {
        private KeyValueStore<Bytes, byte[]> rows;

        @Override
        public void init(FixedKeyProcessorContext<String, Departure> context) {
            super.init(context);
            rows = context.getStateStore(WEATHER);
        }

        @Override
        public void process(FixedKeyRecord<String, Departure> record) {
            byte[] origin = utf8(record.value().flight().origin());
            long time = record.timestamp();
            byte[] weather = newest(origin, time - NEAR_MS, time);
            if (weather == null) {
                weather = newest(origin, 0, time);
            }
            context().forward(record.withValue(record.value().withWeather(weather)));
        }

        private byte[] newest(byte[] origin, long from, long to) {
            try (KeyValueIterator<Bytes, byte[]> found = rows.reverseRange(row(origin, from), row(origin, to))) {
                return found.hasNext() ? found.next().value : null;
            }
        }
    }

    private Snapshot() {}
}
