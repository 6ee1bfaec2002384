"""paho-mqtt as a program: it subscribes or publishes as its arguments say, and prints one JSON object a line.

    paho_client.py subscribe --filter 'casa/+/temperature' --qos 1
    paho_client.py publish --topic casa/x --payload 21.5 --qos 2 --retain

The door is mqtt, mqtts, ws or wss; behind those with TLS only a gateway of --authority is trusted. A subscriber prints {"subscribed": ...} once the broker has answered, then {"topic", "payload", "qos", "retain"} for
each message, and goes on until it is killed. A publisher ends once the broker has taken the message.
"""

import argparse
import json
import sys

import paho.mqtt.client as mqtt

# A test that waits longer than this for a publisher has failed anyway.
PUBLISH_LIMIT_SECONDS = 30


def say(**what):
    print(json.dumps(what, ensure_ascii=False), flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("action", choices=["subscribe", "publish"])
    parser.add_argument("--door", choices=["mqtt", "mqtts", "ws", "wss"], required=True)
    parser.add_argument("--authority")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--protocol", choices=["3.1.1", "5"], required=True)
    parser.add_argument("--id", required=True)
    parser.add_argument("--filter", action="append", default=[])
    parser.add_argument("--topic")
    parser.add_argument("--payload")
    parser.add_argument("--qos", type=int, default=0)
    parser.add_argument("--retain", action="store_true")
    parser.add_argument("--will-topic")
    parser.add_argument("--will-payload")
    return parser.parse_args()


def make_client(arguments):
    protocol = mqtt.MQTTv5 if arguments.protocol == "5" else mqtt.MQTTv311
    transport = "websockets" if arguments.door in ("ws", "wss") else "tcp"
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id=arguments.id, protocol=protocol, transport=transport
    )
    if transport == "websockets":
        client.ws_set_options(path="/mqtt")
    if arguments.door in ("mqtts", "wss"):
        client.tls_set(ca_certs=arguments.authority)
    client.username_pw_set(arguments.user, arguments.password)
    if arguments.will_topic:
        client.will_set(arguments.will_topic, arguments.will_payload, qos=1, retain=True)
    return client


def subscribe(client, arguments):
    def on_connect(client, userdata, flags, reason_code, properties):
        if reason_code.is_failure:
            say(refused=str(reason_code))
            sys.exit(1)
        client.subscribe([(topic_filter, arguments.qos) for topic_filter in arguments.filter])

    def on_subscribe(client, userdata, message_id, reason_codes, properties):
        say(subscribed=[str(code) for code in reason_codes])

    def on_message(client, userdata, message):
        say(
            topic=message.topic,
            payload=message.payload.decode(),
            qos=message.qos,
            retain=bool(message.retain),
        )

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    client.connect(arguments.host, arguments.port)
    client.loop_forever(retry_first_connection=False)


def publish(client, arguments):
    client.connect(arguments.host, arguments.port)
    client.loop_start()
    message = client.publish(arguments.topic, arguments.payload, arguments.qos, arguments.retain)
    message.wait_for_publish(PUBLISH_LIMIT_SECONDS)
    say(published=message.is_published())
    client.disconnect()
    client.loop_stop()


def main():
    arguments = parse_arguments()
    client = make_client(arguments)
    if arguments.action == "subscribe":
        subscribe(client, arguments)
    else:
        publish(client, arguments)


main()
