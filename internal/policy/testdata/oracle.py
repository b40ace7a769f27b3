"""Answers policy questions with oslo.policy and oslo.context.

Reads one JSON object a line: rules, scopes (of rule "r0"), caller, target,
ask (a list of rule names). Writes one a line: failed (the rules that did not
parse), answers (one a name; null where oslo.policy raised).
"""
import json
import logging
import sys
import warnings

from oslo_config import cfg
from oslo_context import context
from oslo_policy import _checks, _parser, policy

warnings.simplefilter("ignore")


class Failures(logging.Handler):
    def __init__(self):
        super().__init__()
        self.count = 0

    def emit(self, record):
        if "Failed to understand" in record.msg:
            self.count += 1


failures = Failures()
logging.getLogger("oslo_policy").addHandler(failures)
logging.getLogger("oslo_policy").propagate = False


def flatten(value, prefix=""):
    """Keystone does this to its targets before it enforces."""
    out = {}
    for k, v in value.items():
        out[prefix + k] = v
        if isinstance(v, dict):
            out.update(flatten(v, prefix + k + "."))
    return out


def prune(value):
    out = {}
    for k, v in value.items():
        v = prune(v) if isinstance(v, dict) else v
        if v:
            out[k] = v
    return out


def credentials(c):
    ctx = context.RequestContext(
        user_id=c["user"] or None, user_domain_id=c["user_domain"] or None,
        project_id=c["project"] or None, project_domain_id=c["project_domain"] or None,
        domain_id=c["domain"] or None, system_scope="all" if c["system"] else None,
        roles=c["roles"], is_admin=c["is_admin"], service_roles=c["service_roles"])
    creds = dict(ctx.to_policy_values())
    creds["tenant_id"] = creds["project_id"]
    creds["is_admin"] = ctx.is_admin
    creds["token"] = prune({
        "user": {"id": c["user"], "domain": {"id": c["user_domain"]}},
        "project": {"id": c["project"], "domain": {"id": c["project_domain"]}},
        "domain": {"id": c["domain"]}})
    return creds


conf = cfg.ConfigOpts()
conf([], project="oracle", default_config_files=[], default_config_dirs=[])

for line in sys.stdin:
    q = json.loads(line)
    failed, rules = [], {}
    for name, text in q["rules"].items():
        failures.count = 0
        rules[name] = _parser.parse_rule(text)
        # A lone word such as "and" comes back as a string, which no one can call.
        if failures.count or not isinstance(rules[name], _checks.BaseCheck):
            failed.append(name)
    enforcer = policy.Enforcer(conf, rules=rules, default_rule="default", use_conf=False)
    conf.set_override("enforce_scope", True, group="oslo_policy")
    if q["scopes"]:
        enforcer.register_default(policy.RuleDefault("r0", "", scope_types=q["scopes"]))
    answers = []
    for name in q["ask"]:
        try:
            answers.append(bool(enforcer.enforce(name, flatten(q["target"]), credentials(q["caller"]))))
        except Exception:
            answers.append(None)
    print(json.dumps({"failed": sorted(failed), "answers": answers}))
