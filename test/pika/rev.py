#!/usr/bin/env python3
"""Prints what comes into the queue hello until it is interrupted.

The broker is localhost; a port other than 5672 may be given as argument.
"""
import sys

import pika

port = int(sys.argv[1]) if len(sys.argv) > 1 else 5672
connection = pika.BlockingConnection(pika.ConnectionParameters(host='localhost', port=port))
channel = connection.channel()
channel.queue_declare(queue='hello')


def callback(ch, method, properties, body):
    print(" [x] Received %r" % body.decode(), flush=True)


channel.basic_consume(queue='hello', on_message_callback=callback, auto_ack=True)
print(' [*] Waiting for messages. To exit press CTRL+C', flush=True)
try:
    channel.start_consuming()
except KeyboardInterrupt:
    connection.close()
