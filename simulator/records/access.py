"""What class of access an API operation is, judged by its name: `GetObject` reads, `AssumeRole` authenticates.

Order of judgement: names that hand out credentials or secrets are `auth` whatever the record says of reading; then the
tables of what the providers publish decide (`aws_access.tsv` and its like); for what they do not list, and where
the record says that it only reads and they do not, the name: changes to identity, policy or the audit itself are
`admin`, else the verb decides.  The same names have the same class in `scenarios/data/operations.yaml`.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib import resources
from typing import Final

PROVIDERS: Final = ("aws", "gcp", "azure", "entra", "github", "okta")
_DATED: Final = re.compile(r"\d{8}(v\d+)?$")
"""The version that Lambda's operations end in."""
_CAMEL: Final = re.compile(r"[A-Z]+[a-z]\w*")
_WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

_AUTH: Final = r"""
    AssumeRole(With\w+)? AssumeRoot ExchangeToken (Batch)?GetSecretValue AccessSecretVersion versions.access
    GetSessionToken GetFederationToken GetSigninToken GetAuthorizationToken GetServiceBearerToken GetRoleCredentials
    GetDelegatedAccessToken GetCredentialsForIdentity GetClusterCredentials\w* GetOpenIdToken\w* GetPasswordData
    GetWorkloadAccessToken\w* GetResource\w+Token GenerateAccessToken GenerateIdToken SignBlob SignJwt
    CreateToken(WithIAM)? CreateSession \w*Login \w*LoginSuccess \w*LoginFailure \w*Logon \w*SignIn CheckMfa SwitchRole
    ExitRole UserAuthentication CredentialChallenge CredentialVerification \w*Authenticate\w* SendSSHPublicKey
    SendSerialConsoleSSHPublicKey CreateSshPublicKey RequestAccessToken PasswordRecovery\w+
"""
AUTH: Final = re.compile(f"({'|'.join(_AUTH.split())})(\\d{{8}}\\w*)?", re.IGNORECASE)
"""Operations that hand out credentials or secrets, or prove an identity."""
_ADMIN_SERVICES: Final = """
    iam organizations account sso sso-directory identitystore ram access-analyzer controltower cloudformation
    cloudtrail config guardduty securityhub rolesanywhere signin iamcredentials cloudresourcemanager orgpolicy
"""
ADMIN_SERVICES: Final = frozenset(_ADMIN_SERVICES.split())
"""Services whose every change is administration."""
ADMIN: Final = re.compile(
    r"Polic(y|ies)|Permission|Acl$|Grant$|SecurityGroup(In|E)gress|LoggingConfiguration|Sink$|Exclusion$|FunctionUrlConfig|Lifecycle$"
    r"|UseCaseForModelAccess|FoundationModel(Agreement|Entitlement)|PublicAccessBlock|ServiceAccountKey"
    r"|(Image|Snapshot)Attribute|SerialConsoleAccess|Encryption$|Replication$|BucketLogging|FlowLogs|AccessEntry$|EncryptionByDefault$"
)
READ: Final = re.compile(
    r"Get|List|Describe|Head|Search|Lookup|Select|Query|Scan|BatchGet|BatchDescribe|Check|View|Read|Download|Preview"
    r"|Simulate|Options|Validate|Verify|Estimate|Discover|Receive|Poll|Watch|Test|Lookup|Count|Detect|Decrypt|InvokeModel"
    r"|InvokeEndpoint|Converse|Predict|GenerateContent|Pull|Retrieve|StartQuery|AggregatedList|Fetch"
)
CREATE: Final = re.compile(
    r"Create|Run|Register|Allocate|Import|Copy(?!Object)|Submit|Request|Purchase|Provision|Launch|Insert|Add(?!Permission|Tags)"
    r"|Start\w*Job|Generate|Clone|BatchCreate"
)
DELETE: Final = re.compile(
    r"Delete(?!Message)|Drop(?!ped)|Terminate|Deregister|Release|Purge|Destroy|BatchDelete|Remove|(Start|End)SecretVersionDelete"
    r"|Schedule\w*Deletion|Expire|Empty"
)


def access_of(service: str, operation: str, read_only: bool | None = None) -> tuple[str, bool]:
    """The class of access of `operation`, and whether it is listed; `read_only` is what the record says, if it does."""
    name = _DATED.sub("", operation)
    if AUTH.fullmatch(name):
        return "auth", True
    listed = _listed(service, name)
    if listed is None or (read_only is not None and read_only != (listed == "read")):
        return by_name(service, name, read_only), listed is not None
    return listed, True


def by_name(service: str, operation: str, read_only: bool | None = None) -> str:
    """The class of access that an operation's words say, in any case and spelling (`get_item`, `items.get`, `GET`)."""
    names = _names(operation)
    if any(AUTH.fullmatch(name) for name in names):
        return "auth"
    if read_only:
        return "read"
    verb = next((name for name in names if any(verb.match(name) for verb in (READ, CREATE, DELETE))), names[0])
    if (read_only is None and READ.match(verb)) or verb.startswith("StartQuery"):
        return "read"
    if service in ADMIN_SERVICES or any(ADMIN.search(name) for name in names):
        return "admin"
    if DELETE.match(verb):
        return "delete"
    return "create" if CREATE.match(verb) else "write"


@lru_cache(maxsize=4_096)
def _names(operation: str) -> tuple[str, ...]:
    """The name as providers write it; of one that is written otherwise, from its first word on, and from each other."""
    if _CAMEL.fullmatch(operation):
        return (operation,)
    words = [word.capitalize() for word in _WORD.findall(operation)] or [operation]
    starts = sorted(range(len(words)), key=lambda at: (at != 0, at != len(words) - 1, at))
    return tuple("".join(words[at:]) for at in starts)


@cache
def published(provider: str) -> tuple[str, dict[tuple[str, str], str]]:
    """The sources of a provider's table, and the classes of its operations by service and name."""
    source, _, *lines = resources.files(__package__).joinpath(f"{provider}_access.tsv").read_text("utf-8").splitlines()
    rows = (line.split("\t") for line in lines)
    return source.lstrip("# "), {(service, name): access for service, access, names in rows for name in names.split()}


@cache
def _all() -> dict[tuple[str, str], str]:
    return {operation: access for each in reversed(PROVIDERS) for operation, access in published(each)[1].items()}


def _listed(service: str, operation: str) -> str | None:
    return _all().get((service, operation))
