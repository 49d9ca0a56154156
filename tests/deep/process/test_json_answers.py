"""`--json` of a running Loa's commands: `LoaProcess.cli` checks each answer against its schema."""

from tests.support.gateway_client import UNIT
from tests.support.loa_process import LoaProcess

ITEM, READER = "tin-mot", "an@example.com"
BY = "--by An"
COMMANDS = f"""
status
check
opinions
digests
items list
trace {ITEM}
trace {ITEM} --reader {READER} {BY}
trace --failed
mail preview {ITEM} --out previews
mail preview --digest daily
mail suppressed list
mail suppressed show {READER} {BY}
mail brakes list
subscribers list
subscribers count
subscribers show {READER} {BY}
subscribers export {READER} {BY}
desk list {BY}
dead list
audit list
audit verify
retention plan
retention run --yes {BY}
units list
units set {UNIT} --urgent
units rotate {UNIT}
units bus-key {UNIT} --out seed
units bus-keys {UNIT}
units trial-key {UNIT}
units trial-key {UNIT} --revoke
units guest {UNIT} {READER}
units guests {UNIT}
import add {UNIT} http://127.0.0.1:9/rss --topic viec-lam {BY}
import status
import remove {UNIT} http://127.0.0.1:9/rss {BY}
zalo followers
zalo status
zalo unknown
zalo templates list
zalo suppressed show 0912345678 {BY}
pause email {BY}
pause email {BY}
resume email {BY}
backup saved
withdraw {ITEM} --reason x --yes {BY}
withdraw {ITEM} --reason x --yes {BY}
rebuild portal
bus config --out bus
bus rotate gateway --out bus
schemas
config check
config show
units revoke {UNIT} --yes
subscribers remove {READER} --reason x --yes {BY}
"""
NEED_A_PERSON = {"status", "config check", "zalo status"}


def test_every_answer_is_valid_against_its_schema(tmp_path):
    with LoaProcess(tmp_path) as loa:
        loa.add_unit()
        loa.add_readers(f"{READER},,,,,")
        loa.publish(ITEM)
        loa.trace_when_complete(ITEM)
        for line in COMMANDS.split("\n"):
            if words := line.split():
                told = loa.cli(*words, "--json")
                assert told.out.count("\n") == 1, told
                needs = NEED_A_PERSON & {words[0], " ".join(words[:2])}
                assert told.exit_code in ((0, 1) if needs else (0,)), (line, told)
