"""The cases of the suite: what `fixtures/` holds, as requests of the protocol and the answers that they must get."""

import dataclasses
import fnmatch
import json
from pathlib import Path
from typing import Any

FIXTURES = Path(__file__).parents[2] / "fixtures"
DIGESTS = Path(__file__).with_name("digests.json")
BEYOND = (
    *("parts/*", "encoders/[!z]*", "encoders/zlib-ng-*"),
    *("vectors/good-layer-frames", "vectors/*corrected-frames", "vectors/*frame-replay*"),
    *("vectors/layer-frame-decisions-*", "vectors/*-brotli*", "vectors/*-zopfli*", "vectors/layer-views-encoder-*"),
    *("vectors/*-zstd-klauspost", "vectors/*-zstd-nosum", "vectors/layer-views-zstd-encoder-*"),
    *(
        "vectors/layer-encoder-*",
        "vectors/layer-corrected-other",
        "vectors/layer-corrected-unknown",
        "vectors/layer-members-encoder*",
    ),
    *("vectors/layer-kzstd-*", "vectors/*layer-toc*"),
)
"""Cases for which the small set of ENCODERS.md does not suffice."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A request, and the members that its answer must have. `group` is the folder of `fixtures/` that it is from."""

    name: str
    group: str
    about: str
    request: dict[str, Any]
    expected: dict[str, Any]

    @property
    def is_small(self) -> bool:
        """Whether a reader of the small set of encoders can judge it."""
        return not any(fnmatch.fnmatchcase(self.name, pattern) for pattern in BEYOND)


def all_cases(scratch: Path) -> list[Case]:
    """All cases; files that `fixtures/` has within others are written into the scratch folder."""
    cases = [
        *_bundles(scratch),
        *_releases(),
        *_deltas(scratch),
        *_decisions(scratch),
        *_encoders(),
        *_signatures(),
        *_parts(scratch),
    ]
    digests = json.loads(DIGESTS.read_text()) if DIGESTS.exists() else {}
    return [dataclasses.replace(case, expected=case.expected | digests.get(case.name, {})) for case in cases]


def _expected(verdict: str, **more: Any) -> dict[str, Any]:
    return {"verdict": "accept", **more} if verdict == "success" else {"verdict": "refuse", "class": verdict}


def _text_fields(path: Path) -> tuple[dict[str, str], list[str]]:
    """The lines `key: value` of a file, and the values of the keys `source` and `part`, which may stand repeatedly."""
    lines = [line.partition(":") for line in path.read_text().splitlines()]
    several = [value.strip() for key, _, value in lines if key in ("source", "part")]
    return {key: value.strip() for key, _, value in lines if key not in ("source", "part")}, several


def _written(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def _bundles(scratch: Path) -> list[Case]:
    cases = []
    for path in sorted((FIXTURES / "vectors").glob("*.vector")):
        head, _, body = path.read_bytes().partition(b"\n\n")
        fields = dict(line.split(": ", 1) for line in head.decode().splitlines())
        request: dict[str, Any] = {"kind": "bundle", "file": _written(scratch / path.stem, body)}
        if "layer-patches" in fields:
            request["whole"] = True
        more = {"release": fields["release-id"]} if "release-id" in fields else {}
        expected = _expected(fields["expect"], **more)
        cases.append(Case(f"vectors/{path.stem}", "vectors", fields["about"], request, expected))
    return cases


def _releases() -> list[Case]:
    folder = FIXTURES / "versions" / "0.1"
    full, patch, signers = (str(folder / name) for name in ("full.tar.zst", "patch.tar.zst", "allowed_signers"))
    requests: list[tuple[str, dict[str, Any], str]] = [
        ("full", {"file": full, "whole": True}, "success"),
        ("full-signed", {"file": full, "signers": signers, "whole": True}, "success"),
        ("patch", {"file": patch, "base": [full], "whole": True}, "success"),
        ("patch-signed", {"file": patch, "base": [full], "signers": signers, "whole": True}, "success"),
        ("repacked", {"file": str(folder / "repacked.tar.zst"), "whole": True}, "success"),
        ("repacked-unsigned", {"file": str(folder / "repacked.tar.zst"), "signers": signers}, "TrustError"),
        ("missing", {"file": str(folder / "missing.tar.zst"), "base": [full]}, "BaseMismatch"),
    ]
    return [
        Case(f"versions/{name}", "versions", "of version 0.1", {"kind": "bundle", **request}, _expected(verdict))
        for name, request, verdict in requests
    ]


def _deltas(scratch: Path) -> list[Case]:
    cases = []
    for path in sorted((FIXTURES / "delta").glob("*.txt")):
        fields, texts = _text_fields(path)
        written = [_written(scratch / f"{path.stem}.{n}", bytes.fromhex(text)) for n, text in enumerate(texts)]
        file = _written(scratch / f"{path.stem}.delta", bytes.fromhex(fields["delta"]))
        request = {"kind": "delta", "file": file, "sources": written, "limit": int(fields["max"])}
        refused = fields["expect"].endswith("Error")
        verdict = fields["expect"] if refused else "success"
        expected = _expected(verdict, target=f"sha256:{fields['expect']}")
        cases.append(Case(f"delta/{path.stem}", "delta", fields["about"], request, expected))
    return cases


def _decisions(scratch: Path) -> list[Case]:
    cases = []
    for line in (FIXTURES / "deflate" / "vectors.txt").read_text().splitlines():
        name, verdict, text = line.split()
        request = {"kind": "decisions", "file": _written(scratch / f"{name}.gz", bytes.fromhex(text))}
        expected = _expected("success" if verdict == "ok" else verdict)
        cases.append(Case(f"deflate/{name}", "deflate", name.replace("-", " "), request, expected))
    for path in sorted([*(FIXTURES / "deflate").glob("*.gz"), *(FIXTURES / "encoders").glob("*.gz")]):
        name = f"{path.parent.name}/{path.name}"
        request = {"kind": "decisions", "file": str(path)}
        cases.append(Case(name, "deflate", "the decisions of a layer", request, _expected("success")))
    return cases


def _encoders() -> list[Case]:
    cases = []
    for path in sorted((FIXTURES / "encoders").glob("*.gz")):
        name = path.stem.replace("_", "/")
        request = {"kind": "encoder", "file": str(FIXTURES / "encoders" / "small.tar"), "name": name}
        cases.append(Case(f"encoders/{name}", "encoders", f"what {name} makes", request, _expected("success")))
    unknown = {"kind": "encoder", "file": str(FIXTURES / "encoders" / "small.tar"), "name": "magic-1"}
    cases.append(Case("encoders/magic-1", "encoders", "a name that nobody knows", unknown, _expected("FormatError")))
    return cases


def _signatures() -> list[Case]:
    folder = FIXTURES / "signatures"
    message, signers = str(folder / "message"), str(folder / "allowed_signers")
    cases = []
    for line in (folder / "expected.txt").read_text().splitlines():
        name, expect = line.split()
        request = {"kind": "signature", "file": message, "signature": str(folder / f"{name}.sig"), "signers": signers}
        expected = _expected(expect) if expect.endswith("Error") else _expected("success", signer=expect)
        cases.append(Case(f"signatures/{name}", "signatures", name, request, expected))
    return cases


def _parts(scratch: Path) -> list[Case]:
    cases = []
    for path in sorted((FIXTURES / "parts").glob("*.txt")):
        fields, texts = _text_fields(path)
        folder = scratch / f"{path.stem}.parts"  # of its own: a reader may look for more parts beside one
        folder.mkdir()
        written = [_written(folder / str(number), bytes.fromhex(text)) for number, text in enumerate(texts)]
        refused = fields["expect"].endswith("Error")
        verdict = fields["expect"] if refused else "success"
        expected = _expected(verdict, whole=f"sha256:{fields['expect']}")
        request = {"kind": "parts", "files": written}
        cases.append(Case(f"parts/{path.stem}", "parts", fields["about"], request, expected))
    return cases
