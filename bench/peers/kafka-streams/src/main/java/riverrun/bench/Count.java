package riverrun.bench;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.EmitStrategy;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Window;

/** How many flights each aircraft has in each hour of event time; one result for each window, when it is over. */
final class Count {
    static final String FLIGHTS = "flights";

    static Topology topology(String output) {
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(FLIGHTS, Consumed.with(Serdes.String(), Serdes.ByteArray()))
            .groupByKey(Grouped.with(Serdes.String(), Serdes.ByteArray()))
            .windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofHours(1)))
            .emitStrategy(EmitStrategy.onWindowClose())
            .count(Materialized.as(Materialized.StoreType.IN_MEMORY))
            .toStream()
            .map((key, count) -> KeyValue.pair(key.key(), json(key.window(), count)))
            .to(output, Produced.with(Serdes.String(), Serdes.ByteArray()));
        return builder.build();
    }

    private static byte[] json(Window window, long count) {
        String text = "{\"window\":{\"start\":\"" + window.startTime() + "\",\"end\":\"" + window.endTime() + "\"},\"count\":" + count + "}";
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private Count() {}
}
