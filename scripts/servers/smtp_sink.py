"""An SMTP server for tests that stores each mail and injects faults. Loopback only. smtp_sink.py CERTIFICATES ENV-FILE

It writes its ports to ENV-FILE: STARTTLS and SMTPS want a log-in as user `authtest`, password `auth-test@pw/1`; PLAIN
has neither TLS nor log-in; NO_STARTTLS offers none and takes log-ins in clear; WRONG_HOST, EXPIRED and SELF_SIGNED have
such certificates (STARTTLS); API answers HTTP: GET /messages?PART and /count?PART (whose
recipients hold that part), GET /sessions.

Faults are named by the name a client greets with (its first label) or by a recipient's local part:
  fault-PHASE-WHAT[-once]-KEY    PHASE: ehlo starttls auth mail rcpt data dot
                                 WHAT: a reply code, hang, drop, or (at dot) late: accepted, then the line is cut
With `once`, only the first time for this name and phase. Tests that use different names do not disturb each other.
"""
import asyncio, base64, http.server, json, os, re, ssl, sys, threading

from aiosmtpd.smtp import SMTP, AuthResult

CERTIFICATES, ENV = sys.argv[1:3]
USER, PASSWORD = b"authtest", b"auth-test@pw/1"
MESSAGES, SESSIONS, LOCK, DONE = [], [], threading.Lock(), set()


def tls(name):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(f"{CERTIFICATES}/{name}.pem", f"{CERTIFICATES}/{name}.key")
    return context


def authenticate(server, session, envelope, mechanism, data):
    right = getattr(data, "login", None) == USER and getattr(data, "password", None) == PASSWORD
    return AuthResult(success=right, handled=False, auth_data=USER.decode() if right else None)


class Sink(SMTP):
    """Each command first checks whether it is to fail. Also records what was sent in clear."""

    def connection_made(self, transport):
        super().connection_made(transport)
        if not hasattr(self, "seen"):
            self.seen = {"port": transport.get_extra_info("sockname")[1], "commands": [], "clear": []}
            with LOCK:
                SESSIONS.append(self.seen)

    def note(self, line):
        self.seen["commands"].append(line)
        if self.transport.get_extra_info("ssl_object") is None:
            self.seen["clear"].append(line)

    def fault(self, phase, names):
        for name in names:
            match = re.fullmatch(rf"fault-{phase}-(\w+)(-once)?(-.*)?", name)
            if match and not (match[2] and (phase, name) in DONE):
                DONE.add((phase, name))
                return match[1]

    async def fail(self, phase, *names):
        """Whether this phase ends here because of a fault."""
        greeted = (self.session.host_name or "") if self.session else ""
        what = self.fault(phase, [greeted.split(".")[0], *names])
        if what is None:
            return False
        if what == "hang":
            await asyncio.sleep(3600)
        if what == "drop":
            self.transport.abort()
        elif what != "late":
            await self.push(f"{what} {what[0]}.0.0 injected fault at {phase}")
        return what

    async def smtp_EHLO(self, hostname):
        self.note(f"EHLO {hostname}")
        self.session.host_name = hostname
        if not await self.fail("ehlo"):
            await super().smtp_EHLO(hostname)

    async def smtp_STARTTLS(self, arg):
        self.note("STARTTLS")
        if not await self.fail("starttls"):
            await super().smtp_STARTTLS(arg)

    async def smtp_AUTH(self, arg):
        self.note("AUTH")
        if not await self.fail("auth"):
            await super().smtp_AUTH(arg)

    async def smtp_MAIL(self, arg):
        self.note(f"MAIL {arg}")
        if not await self.fail("mail"):
            await super().smtp_MAIL(arg)

    async def smtp_RCPT(self, arg):
        self.note(f"RCPT {arg}")
        address = re.search(r"<([^@>]*)", arg or "")
        if not await self.fail("rcpt", address[1] if address else ""):
            await super().smtp_RCPT(arg)

    async def smtp_DATA(self, arg):
        self.note("DATA")
        if not await self.fail("data", *self.locals()):
            await super().smtp_DATA(arg)

    def locals(self):
        return [address.split("@")[0] for address in self.envelope.rcpt_tos]


class Handler:
    async def handle_DATA(self, server, session, envelope):
        what = server.fault("dot", [(session.host_name or "").split(".")[0], *server.locals()])
        if what == "hang":
            await asyncio.sleep(3600)
        if what == "drop":
            server.transport.abort()
        if what not in (None, "late"):
            return f"{what} {what[0]}.0.0 injected fault after the dot"
        with LOCK:
            MESSAGES.append({
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "tls": server.transport.get_extra_info("ssl_object") is not None,
                "user": session.auth_data if session.authenticated else None,
                "hello": session.host_name,
                "data": base64.b64encode(envelope.original_content).decode(),
            })
        if what == "late":
            server.transport.abort()
        return "250 2.0.0 accepted"


class Api(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        path, _, part = self.path.partition("?")
        with LOCK:
            messages = [m for m in MESSAGES if any(part in to for to in m["to"])]
            answer = {"/messages": messages, "/count": len(messages), "/sessions": SESSIONS}.get(path)
            body = json.dumps(answer).encode()
        self.send_response(404 if answer is None else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


async def main():
    loop = asyncio.get_running_loop()
    shared = dict(hostname="mail.test", ident="sink", data_size_limit=1 << 20, timeout=120, loop=loop)
    login = dict(authenticator=authenticate, auth_required=True)
    starttls = dict(require_starttls=True, **login)
    listeners = {
        "STARTTLS": dict(tls_context=tls("server"), **starttls),
        "SMTPS": dict(implicit="server", auth_require_tls=False, **login),
        "PLAIN": {},
        "NO_STARTTLS": dict(auth_require_tls=False, authenticator=authenticate),
        "WRONG_HOST": dict(tls_context=tls("wrong-host"), **starttls),
        "EXPIRED": dict(tls_context=tls("expired"), **starttls),
        "SELF_SIGNED": dict(tls_context=tls("self-signed"), **starttls),
    }
    lines = []
    for name, options in listeners.items():
        implicit = options.pop("implicit", None)
        factory = lambda options=options: Sink(Handler(), **shared, **options)
        server = await loop.create_server(factory, "127.0.0.1", 0, ssl=implicit and tls(implicit))
        lines.append(f"SINK_{name}={server.sockets[0].getsockname()[1]}")
    api = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=api.serve_forever, daemon=True).start()
    lines += [f"SINK_API={api.server_address[1]}", f"SINK_CA={CERTIFICATES}/ca.pem"]
    with open(ENV + ".part", "w") as file:
        file.write("\n".join(lines) + "\n")
    os.rename(ENV + ".part", ENV)
    await asyncio.Event().wait()


asyncio.run(main())
