"""`python -m tests.model [SEEDS] [--start N] [--bug NAME|all]`"""
import sys, time
from tests.model.campaign import run
n=int(sys.argv[1]); s=int(sys.argv[2]) if len(sys.argv)>2 else 0
t=time.perf_counter()
r=run(range(s,s+n))
t=time.perf_counter()-t
for k,v in sorted(r.seen.items()): print(v,k)
from collections import Counter
print(Counter(rule for _,rule,_ in r.violations))
for v in r.violations[:30]: print(v)
print(r.runs, r.steps, r.digest, f"{r.runs/t:.1f}/s")
