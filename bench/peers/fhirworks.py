"""One row of a FHIR Works export as FHIR JSON. Standard library only.

Numbers are copied as text, so that no digit is lost; json.dumps has no way to
write a decimal, so the resource is written here.
"""
import json
from json.encoder import encode_basestring as quote

DROPPED = {"documentStatus", "lockEndTs", "vid", "_references", "_tenantId", "_id", "_subscriptionStatus"}


def plain(value):
    ((tag, v),) = value.items()
    if tag == "S":
        return quote(v)
    if tag == "M":
        return "{" + ",".join([quote(k) + ":" + plain(x) for k, x in v.items()]) + "}"
    if tag == "L":
        return "[" + ",".join([plain(x) for x in v]) + "]"
    if tag == "N":
        return v
    if tag == "BOOL":
        return "true" if v else "false"
    return "null"


def convert(line):
    """Returns (type, version, resource), or None for a row that stays behind."""
    item = json.loads(line)["Item"]
    status = item["documentStatus"]["S"]
    if status == "PENDING":
        return None
    if "_id" in item:
        item["id"] = item["_id"]
    meta = item["meta"]["M"]
    tags = meta.setdefault("tag", {"L": []})["L"]
    tags.append({"M": {"display": meta["lastUpdated"], "code": {"S": "originalLastUpdated"}}})
    if status == "DELETED":
        tags.append({"M": {"display": {"S": "DELETED"}, "code": {"S": "DELETED"}}})
    body = ",".join([quote(k) + ":" + plain(v) for k, v in item.items() if k not in DROPPED])
    return item["resourceType"]["S"], item["vid"]["N"], "{" + body + "}"
