package riverrun.bench;

import io.debezium.embedded.Connect;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.RecordChangeEvent;
import io.debezium.engine.format.ChangeEventFormat;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.util.concurrent.CountDownLatch;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.connect.source.SourceRecord;

/**
 * What Riverrun's outbox is measured against: Debezium's engine with its event router, writing to Kafka.
 *
 * <p>Takes {@code HOST PORT DATABASE USER BROKERS FOLDER SLOT}, prints {@code ready} when it reads the log of the database, and runs
 * until SIGTERM or the end of standard input; then it stores how far it has come. A failure is printed and ends the process with 1.
 *
 * <p>Java is best told {@code -XX:+UseSerialGC -Xmx128m -XX:-UsePerfData}. A backlog of 200,000 took 14 to 16 s of CPU and 220 to 277 MB at
 * the peak; once it ran warm, 44,000 events a second. With 256m and with G1 the rates were similar (256m: 260 to 316 MB; G1: 16 s of CPU, 258 to
 * 262 MB); with 64m (184 MB) one run was slower. Without the second compiler (145 MB) an event takes twice the CPU. Most of the memory is no heap:
 * compilers, classes and code.
 *
 * <p>The topics must be there. The database needs {@code wal_level = logical} and schema.sql. Rows written before the first start are sent
 * if the slot was made before them: {@code pg_create_logical_replication_slot(SLOT, 'pgoutput')}.
 */
public final class Main {
    private static final long LOOK_EVERY_MS = 10;

    public static void main(String[] words) throws Exception {
        if (words.length != Arguments.COUNT) {
            System.err.println(Arguments.USAGE);
            System.exit(2);
        }
        Arguments arguments = Arguments.of(words);
        Files.createDirectories(arguments.folder());
        CountDownLatch over = new CountDownLatch(1);
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(Settings.producer(arguments))) {
            DebeziumEngine<RecordChangeEvent<SourceRecord>> engine = DebeziumEngine.create(ChangeEventFormat.of(Connect.class))
                .using(Settings.engine(arguments))
                .notifying(new Sender(producer))
                .using((DebeziumEngine.CompletionCallback) Main::ended)
                .build();
            Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(engine, over)));
            daemon(Main::sayWhenReady);
            daemon(Main::exitWithStandardInput);
            engine.run();
        }
        over.countDown();
    }

    private static void ended(boolean wasOrderly, String message, Throwable error) {
        if (!wasOrderly) {
            System.err.println(message);
            if (error != null) {
                error.printStackTrace();
            }
            // What waits for records would wait for ever.
            Runtime.getRuntime().halt(1);
        }
    }

    /** Commits how far it has come. */
    private static void stop(DebeziumEngine<?> engine, CountDownLatch over) {
        try {
            engine.close();
            over.await();
        } catch (IOException | IllegalStateException | InterruptedException error) {
            error.printStackTrace();
        }
    }

    /** The slot is there earlier, but only the connector's own figures say that it is read. */
    private static void sayWhenReady() {
        MBeanServer beans = ManagementFactory.getPlatformMBeanServer();
        try {
            ObjectName streaming = new ObjectName("debezium.postgres:type=connector-metrics,context=streaming,server=" + Settings.NAME);
            while (!beans.isRegistered(streaming) || !(Boolean) beans.getAttribute(streaming, "Connected")) {
                Thread.sleep(LOOK_EVERY_MS);
            }
            System.out.println("ready");
        } catch (JMException | InterruptedException error) {
            error.printStackTrace();
        }
    }

    private static void exitWithStandardInput() {
        try {
            System.in.transferTo(OutputStream.nullOutputStream());
            System.exit(0);
        } catch (IOException error) {
            error.printStackTrace();
        }
    }

    private static void daemon(Runnable body) {
        Thread thread = new Thread(body);
        thread.setDaemon(true);
        thread.start();
    }

    private Main() {}
}
