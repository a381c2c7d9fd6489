"""Known vulnerabilities of what is installed here: make audit, or python tools/audit.py

pip-audit looks up every package. Where the index answers nothing it passes over the package and ends well; here a package that
was not looked up is named, and an audit that looked up none has failed. Exit codes: 0 none known, 1 some, 2 nothing was checked.
"""

import json
import subprocess
import sys
from typing import Any

COMMAND = ["-m", "pip_audit", "--local", "--skip-editable", "--progress-spinner", "off", "--format", "json"]


def verdict(dependencies: list[dict[str, Any]]) -> tuple[int, str]:
    """pip-audit's list of dependencies to the exit code and what to print."""
    own = [d for d in dependencies if "editable" not in d.get("skip_reason", "")]
    checked, passed = [d for d in own if "vulns" in d], sorted(d["name"] for d in own if "vulns" not in d)
    if not checked:
        return (
            2,
            f"audit: the vulnerability database knows none of {len(own)} packages or does not answer: nothing was checked",
        )
    lines = [
        f"{d['name']} {d['version']}: {v['id']}, fixed in {', '.join(v['fix_versions']) or 'no version'}"
        for d in checked
        for v in d["vulns"]
    ]
    lines += [f"audit: not in the database, so not checked: {', '.join(passed)}"] if passed else []
    found = len(lines) - bool(passed)
    known = f"{found} known vulnerabilities" if found else "no known vulnerability"
    return int(found > 0), "\n".join([*lines, f"audit: {len(checked)} of {len(own)} packages checked, {known}"])


def main() -> int:
    done = subprocess.run([sys.executable, *COMMAND], capture_output=True, text=True)
    try:
        code, text = verdict(json.loads(done.stdout)["dependencies"])
    except (ValueError, KeyError):  # no report came
        reason = (done.stderr.strip().splitlines() or ["no word from pip-audit"])[-1]
        code, text = 2, f"audit: nothing was checked: {reason}"
    print(text, file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
