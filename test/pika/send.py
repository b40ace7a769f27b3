#!/usr/bin/env python3
"""Sends one message to the queue hello, as the RabbitMQ tutorial does.

The broker is localhost; a port other than 5672 may be given as argument.
"""
import sys

import pika

port = int(sys.argv[1]) if len(sys.argv) > 1 else 5672
connection = pika.BlockingConnection(pika.ConnectionParameters(host='localhost', port=port))
channel = connection.channel()
channel.queue_declare(queue='hello')
channel.basic_publish(exchange='', routing_key='hello', body='Hello World!')
print(" [x] Sent 'Hello World!'")
connection.close()
