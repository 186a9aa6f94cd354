"""Schemathesis asks whatever the interface description allows, and what it does not:  described.py SERVER v1|v4|finds

`finds` shows that it would find something: the same, with a description that promises what the server does not keep."""

import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import serving

# Not `stateful`: it guesses that whatever is called user_id in an answer is an account, and results name what was refused, too.
PHASES = "examples,coverage,fuzzing"
# The HTTP status of /v4 is always 200, as the original's is, so what schemathesis concludes from a status says nothing there.
UNFIT_FOR_V4 = "negative_data_rejection,positive_data_acceptance,ignored_auth,unsupported_method"


def configuration(sig):
    """Who asks, for each way that the description knows."""
    values = {
        "app": ("api_key", serving.APP),
        "administrator": ("api_key", serving.ADMINISTRATOR),
        "usersig": ("bearer", sig),
        "query_app": ("api_key", serving.APP),
        "query_administrator": ("api_key", serving.ADMINISTRATOR),
        "query_usersig": ("api_key", sig),
    }
    return "".join(
        f'[auth.openapi.{name}]\n{kind} = "{value}"\n' for name, (kind, value) in values.items()
    )


def run(address, document, tag, phases, more):
    with tempfile.TemporaryDirectory() as folder:
        settings = pathlib.Path(folder, "schemathesis.toml")
        settings.write_text(configuration(serving.user_sig(serving.ADMINISTRATOR)), encoding="utf-8")
        described = pathlib.Path(folder, "openapi.json")
        described.write_text(json.dumps(document), encoding="utf-8")
        tester = pathlib.Path(sys.executable).with_name("schemathesis")
        return subprocess.run(
            [tester, "--config-file", settings, "run", described, "--url", address, "--include-tag", tag]
            + ["--checks", "all", "--max-examples", "10", "--seed", "1", "--no-color", "--phases", phases, *more],
            cwd=folder,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def main(program, what):
    with serving.server(program) as address:
        with urllib.request.urlopen(f"{address}/openapi.json") as answer:
            document = json.load(answer)
        if what == "finds":
            version = document["paths"]["/v1/server"]["get"]["responses"]["200"]
            version["content"]["application/json"]["schema"]["properties"]["version"] = {"type": "integer"}
            document["paths"] = {"/v1/server": document["paths"]["/v1/server"]}
            result = run(address, document, "v1", "fuzzing", [])
            found = result.returncode != 0 and "violates schema" in result.stdout
            print(result.stdout if not found else "found: the answer does not match what was promised")
            return 0 if found else 1
        result = run(address, document, what, PHASES, ["--exclude-checks", UNFIT_FOR_V4] if what == "v4" else [])
    print(result.stdout)
    tested = sum(
        what in operation.get("tags", []) for path in document["paths"].values() for operation in path.values()
    )
    if f"Tested: {tested}" not in result.stdout:
        print(f"not all of the {tested} operations were tested")
        return 1
    return result.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
