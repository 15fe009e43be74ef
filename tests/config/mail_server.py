"""A mail server as a program: TLS and a password before it takes anything; prints each mail as a line of JSON.

`python mail_server.py FOLDER PASSWORD`: the folder has `key.pem` and `certificate.pem`.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import ssl
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword

_FOLDER, _PASSWORD = Path(sys.argv[1]), sys.argv[2].encode()


class Server(SMTP):  # type: ignore[misc]  # aiosmtpd has no types
    """Asks for name and password in the words that other servers use, which Alertmanager expects."""

    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"


class Mailbox:
    """Takes every mail."""

    async def handle_DATA(self, server: object, session: object, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        """Print whom it is for, what it is about, and its texts."""
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        body = mail.get_body()
        text = body.get_content() if body else ""
        print(json.dumps({"to": envelope.rcpt_tos, "subject": mail["Subject"], "text": text}), flush=True)
        return "250 OK"


def check(server: object, session: object, envelope: object, mechanism: str, data: Any) -> AuthResult:
    """Whether it is the right password."""
    assert isinstance(data, LoginPassword)
    is_right = (data.login, data.password) == (b"alerts@example.com", _PASSWORD)
    # Not handled: the server itself says 535.
    return AuthResult(success=is_right, handled=False)


async def main() -> None:
    """Serve on port 587 for ever."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_FOLDER / "certificate.pem", _FOLDER / "key.pem")
    settings = {"require_starttls": True, "auth_required": True, "authenticator": check, "tls_context": context}
    server = await asyncio.get_running_loop().create_server(lambda: Server(Mailbox(), **settings), "127.0.0.1", 587)
    async with server:
        await server.serve_forever()


asyncio.run(main())
