"""The first script that everybody writes with paho-mqtt: connect, subscribe, print, loop.

Nothing needs to be changed for Gatehouse but the host, the user and the password.
"""

import paho.mqtt.client as mqtt

HOST = "raspberrypi.local"
USER = "ana"
PASSWORD = "secret"


def on_connect(client, userdata, flags, reason_code, properties):
    print("connected:", reason_code)
    client.subscribe("home/temperature")


def on_message(client, userdata, message):
    print(message.topic, message.payload.decode())


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.on_connect = on_connect
client.on_message = on_message
client.username_pw_set(USER, PASSWORD)
client.connect(HOST)
client.loop_forever()
