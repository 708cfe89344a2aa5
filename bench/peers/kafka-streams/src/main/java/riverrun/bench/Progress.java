package riverrun.bench;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.KafkaStreams;

/** Follows what is committed, as the threads themselves know it: nobody else has to be asked, so following costs next to nothing. */
final class Progress {
    private static final long LOOK_EVERY_MS = 10;
    private static final int PARTITIONS = 4;

    private final KafkaStreams streams;
    private final String topic;
    private final long beganMs = ManagementFactory.getRuntimeMXBean().getStartTime();

    Progress(KafkaStreams streams, String topic) {
        this.streams = streams;
        this.topic = topic;
    }

    /** Waits until every partition is committed to its end, which must not be its beginning, and prints what that took. */
    void await(String part) throws IOException, InterruptedException {
        long firstMs = -1;
        while (true) {
            Map<TopicPartition, Long> committed = new HashMap<>();
            Map<TopicPartition, Long> ends = new HashMap<>();
            streams.metadataForLocalThreads().stream().flatMap(thread -> thread.activeTasks().stream()).forEach(task -> {
                committed.putAll(task.committedOffsets());
                ends.putAll(task.endOffsets());
            });
            committed.keySet().removeIf(partition -> !partition.topic().equals(topic));
            if (firstMs < 0 && committed.values().stream().anyMatch(offset -> offset > 0)) {
                firstMs = System.currentTimeMillis();
            }
            if (committed.size() == PARTITIONS && committed.entrySet().stream().allMatch(entry -> isAtEnd(entry, ends))) {
                report(part, committed.values().stream().mapToLong(Long::longValue).sum(), firstMs);
                return;
            }
            Thread.sleep(LOOK_EVERY_MS);
        }
    }

    private static boolean isAtEnd(Map.Entry<TopicPartition, Long> committed, Map<TopicPartition, Long> ends) {
        return committed.getValue() > 0 && committed.getValue() >= ends.getOrDefault(committed.getKey(), Long.MAX_VALUE);
    }

    private void report(String part, long events, long firstMs) throws IOException {
        double seconds = (System.currentTimeMillis() - firstMs) / 1e3;
        System.out.printf(
            Locale.ROOT,
            "{\"peer\":\"%s\",\"events\":%d,\"first_commit_ms\":%d,\"seconds\":%.3f,\"cpu_seconds\":%.2f,\"peak_rss_mb\":%.1f}%n",
            part, events, firstMs - beganMs, seconds, cpuSeconds(), peakMb());
    }

    private static double cpuSeconds() {
        var system = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        return system.getProcessCpuTime() / 1e9;
    }

    private static double peakMb() throws IOException {
        try (var lines = Files.lines(Path.of("/proc/self/status"))) {
            String line = lines.filter(text -> text.startsWith("VmHWM:")).findFirst().orElseThrow();
            return Long.parseLong(line.replaceAll("\\D", "")) * 1024 / 1e6;
        }
    }
}
