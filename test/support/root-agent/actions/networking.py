"""The actions of blockhost-common itself that a provisioner uses."""

from _common import run, validate_dev, validate_ipv6_128


def _ok(cmd):
    code, _, err = run(cmd, timeout=10)
    if code != 0:
        raise RuntimeError(err or f'{cmd[0]} failed with exit code {code}')
    return {}


def bridge_port_isolate(params):
    return _ok(['bridge', 'link', 'set', 'dev', validate_dev(params.get('dev')), 'isolated', 'on'])


def route(verb):
    def handler(params):
        address, dev = validate_ipv6_128(params.get('address')), validate_dev(params.get('dev'))
        return _ok(['ip', '-6', 'route', verb, address, 'dev', dev])

    return handler


ACTIONS = {
    'bridge-port-isolate': bridge_port_isolate,
    'ip6-route-add': route('replace'),
    'ip6-route-del': route('del'),
}
