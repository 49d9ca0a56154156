"""Keep what proves that bus and audit log are whole: the anchor, the daily heads, their mail."""

from functools import partial

from consumers.app.node import Node
from consumers.app.settings import AuditSettings, read_settings
from consumers.app.wiring.subscribers import open_mailer
from consumers.audit.head_mail import HeadMailer
from consumers.audit.heads import HeadWriter
from consumers.audit.log import AuditLog
from consumers.audit.signed import signing_key
from producers.bus.periodic import every

_AUDIT_S = 3600.0


async def add_audit(node: Node) -> None:
    """Finish acts that were cut short; with the key file, keep anchor and heads, too."""
    audit = AuditLog(node.bus, node.clock)
    node.tasks.append(partial(every, _AUDIT_S, audit.finish_interrupted))
    if not node.settings.key_file.exists():
        return
    await node.open_proven_key()
    await node.anchor.renew()
    node.stack.push_async_callback(node.anchor.finish)
    heads = HeadWriter(audit, node.settings.audit_heads_file, signing_key(node.keys))
    address = read_settings(AuditSettings).email
    mailer = HeadMailer(open_mailer(node), address, node.clock) if address else None
    node.tasks += [node.anchor.run, partial(every, _AUDIT_S, partial(_keep_head, heads, mailer))]


async def _keep_head(heads: HeadWriter, mailer: HeadMailer | None) -> None:
    """Write the day's head unless the file has it, then mail it. Raises BusError."""
    head = await heads.write_if_due()
    if head and mailer:
        await mailer.send_once(head)
