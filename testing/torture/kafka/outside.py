"""What a client that is not ours finds on a Kafka cluster: the committed records of topics, and how far groups are.

outside.py read BROKERS TOPIC            every committed record, one JSON object a line
outside.py idle BROKERS PREFIX TOPIC SECONDS
                                         waits until no group with this prefix is behind, and one has committed every partition of
                                         the topic that is not empty; one JSON object that tells how far each is
"""

import json
import sys
import time

from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, IsolationLevel, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

# Longer than the cluster keeps a transaction open that nobody ends.
SETTLE_SECONDS = 60
ANSWER_SECONDS = 20


def ends(admin, partitions, isolation):
    asked = {TopicPartition(topic, number): OffsetSpec.latest() for topic, number in partitions}
    if not asked:
        return {}
    found = admin.list_offsets(asked, isolation_level=isolation, request_timeout=ANSWER_SECONDS)
    return {(place.topic, place.partition): future.result().offset for place, future in found.items()}


def settled(admin, partitions):
    """The ends, once no transaction is open: before, a reader would stop short of them."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        committed = ends(admin, partitions, IsolationLevel.READ_COMMITTED)
        written = ends(admin, partitions, IsolationLevel.READ_UNCOMMITTED)
        if committed == written:
            return written
        if time.monotonic() > deadline:
            sys.exit(f"transactions stay open: readers see up to {committed}, written is up to {written}")
        time.sleep(0.2)


def text(value):
    return None if value is None else value.decode("utf-8", "replace")


def read(brokers, topic):
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "outside",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    places = [(topic, number) for number in consumer.list_topics(topic, ANSWER_SECONDS).topics[topic].partitions]
    settled(AdminClient({"bootstrap.servers": brokers}), places)
    consumer.assign([TopicPartition(topic, number, 0) for _, number in places])
    left = {number for _, number in places}
    deadline = time.monotonic() + SETTLE_SECONDS
    while left:
        if time.monotonic() > deadline:
            sys.exit(f"{topic}: the ends of the partitions {left} were not reached")
        for message in consumer.consume(2000, 1):
            error = message.error()
            if error is None:
                write(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                left.discard(message.partition())
            else:
                sys.exit(f"{topic}: {error}")
    consumer.close()


def write(message):
    record = {
        "partition": message.partition(),
        "offset": message.offset(),
        "key": text(message.key()),
        "headers": {name: text(value) for name, value in message.headers() or []},
        "value": text(message.value()),
    }
    print(json.dumps(record))


def progress(admin, prefix):
    listed = admin.list_consumer_groups(request_timeout=ANSWER_SECONDS).result()
    groups = sorted(group.group_id for group in listed.valid if group.group_id.startswith(prefix))
    told = {}
    for group in groups:
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=ANSWER_SECONDS)
        committed = asked[group].result().topic_partitions
        reached = {(place.topic, place.partition): place.offset for place in committed}
        last = ends(admin, reached, IsolationLevel.READ_UNCOMMITTED)
        told[group] = {f"{topic}/{number}": [reached[topic, number], last[topic, number]] for topic, number in reached}
    return told


def is_idle(told, partitions):
    is_read = any(partitions <= set(group) for group in told.values())
    return is_read and all(reached == end for group in told.values() for reached, end in group.values())


def idle(brokers, prefix, topic, seconds):
    admin = AdminClient({"bootstrap.servers": brokers})
    places = [(topic, number) for number in admin.list_topics(topic, ANSWER_SECONDS).topics[topic].partitions]
    last = ends(admin, places, IsolationLevel.READ_UNCOMMITTED)
    partitions = {f"{topic}/{number}" for (topic, number), end in last.items() if end > 0}
    deadline = time.monotonic() + float(seconds)
    while True:
        told = progress(admin, prefix)
        if is_idle(told, partitions):
            break
        if time.monotonic() > deadline:
            sys.exit(f"groups stay behind ([committed, end]): {json.dumps(told)}")
        time.sleep(0.3)
    print(json.dumps(told))


def main():
    match sys.argv[1:]:
        case ["read", brokers, topic]:
            read(brokers, topic)
        case ["idle", brokers, prefix, topic, seconds]:
            idle(brokers, prefix, topic, seconds)
        case _:
            sys.exit(__doc__)


main()
