"""The other side of the interop tests: OpenStack's own oslo.messaging.

peer.py URL ROLE EXCHANGE TOPIC SERVER [JSON]

Every role prints one JSON value a line; a serving role prints "ready" first
and ends when its standard input does. A client sends the list of requests it
is given, one after the other.
"""
import json
import sys
import threading
import time

from oslo_config import cfg
import oslo_messaging as om

url, role, exchange, topic, server = sys.argv[1:6]
given = json.loads(sys.argv[6]) if len(sys.argv) > 6 else {}

conf = cfg.CONF
conf([], project="peer")
lock = threading.Lock()


def say(value):
    with lock:
        print(json.dumps(value), flush=True)


class Endpoint(object):
    target = om.Target(version="1.3", namespace=given.get("namespace"))

    def echo(self, ctxt, **kwargs):
        return kwargs

    def nothing(self, ctxt):
        return None

    def context(self, ctxt):
        return ctxt

    def note(self, ctxt, text):
        say(["note", text])

    def fail(self, ctxt, text):
        raise ValueError(text)

    def slow(self, ctxt, seconds):
        time.sleep(seconds)
        return "done"


class Listener(object):
    def _take(self, priority, ctxt, publisher_id, event_type, payload, metadata):
        say([priority, publisher_id, event_type, payload, ctxt.get("user_id"), "auth_token" in ctxt])

    def info(self, *args):
        self._take("info", *args)

    def error(self, *args):
        self._take("error", *args)


def run(it):
    it.start()
    say("ready")
    sys.stdin.read()
    it.stop()
    it.wait()


def client(transport, req):
    ctxt = req.get("context", {})
    target = om.Target(exchange=exchange, topic=topic, version=req.get("version", "1.0"),
                       server=req.get("server"), fanout=req.get("fanout"))
    c = om.get_rpc_client(transport, target, timeout=req.get("timeout", 60),
                          call_monitor_timeout=req.get("monitor"))
    if req.get("cast") or req.get("fanout"):
        c.cast(ctxt, req["method"], **req.get("args", {}))
        return say("sent")
    try:
        say({"result": c.call(ctxt, req["method"], **req.get("args", {}))})
    except om.RemoteError as e:
        say({"remote": [e.exc_type, e.value]})
    except Exception as e:
        say({"raised": [type(e).__name__, str(e)]})


if role == "serve":
    t = om.get_rpc_transport(conf, url=url)
    run(om.get_rpc_server(t, om.Target(exchange=exchange, topic=topic, server=server), [Endpoint()],
                          executor="threading"))
elif role == "client":
    t = om.get_rpc_transport(conf, url=url)
    for request in given["requests"]:
        client(t, request)
elif role == "listen":
    t = om.get_notification_transport(conf, url=url)
    run(om.get_notification_listener(t, [om.Target(exchange=exchange, topic=topic)], [Listener()],
                                     executor="threading"))
elif role == "notify":
    # A notifier has its exchange from the configuration only.
    om.set_transport_defaults(exchange)
    t = om.get_notification_transport(conf, url=url)
    n = om.Notifier(t, publisher_id="peer.host", driver=given["driver"], topics=[topic])
    n.info(given.get("context", {}), "thing.create.end", given["payload"])
    say("sent")
else:
    sys.exit("unknown role " + role)
