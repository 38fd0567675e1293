"""What class of access an API operation is, judged by its name: `GetObject` reads, `AssumeRole` authenticates.

Order of judgement: names that hand out credentials or secrets are `auth` whatever the record says of reading;
then a record that says it only reads is believed; then changes to identity, policy or the audit itself are
`admin`; then the verb decides.  The same names have the same class in `scenarios/data/operations.yaml`.
"""

from __future__ import annotations

import re
from typing import Final

AUTH: Final = re.compile(
    r"AssumeRole|ExchangeToken|(Batch)?GetSecretValue|AccessSecretVersion|GetSessionToken|GetFederationToken"
    r"|GetAuthorizationToken|GetServiceBearerToken|GetRoleCredentials|GetCredentialsForIdentity|GetClusterCredentials"
    r"|GetOpenIdToken|GetPasswordData|GetWorkloadAccessToken|GetResourceOauth2Token|GenerateAccessToken|GenerateIdToken"
    r"|SignBlob|SignJwt|CreateToken|CreateSession$|ConsoleLogin|CheckMfa|SwitchRole|Authenticate"
    r"|SendSSHPublicKey|SendSerialConsoleSSHPublicKey|CreateSshPublicKey$|RequestAccessToken|Login$",
    re.IGNORECASE,
)
_ADMIN_SERVICES: Final = """
    iam organizations account sso sso-directory identitystore ram access-analyzer controltower cloudformation
    cloudtrail config guardduty securityhub rolesanywhere signin iamcredentials cloudresourcemanager orgpolicy
"""
ADMIN_SERVICES: Final = frozenset(_ADMIN_SERVICES.split())
"""Services whose every change is administration."""
ADMIN: Final = re.compile(
    r"Polic(y|ies)|Permission|Acl$|Grant$|SecurityGroup(In|E)gress|LoggingConfiguration|FunctionUrlConfig|Lifecycle$"
    r"|UseCaseForModelAccess|FoundationModel(Agreement|Entitlement)|PublicAccessBlock|ServiceAccountKey"
    r"|(Image|Snapshot)Attribute|SerialConsoleAccess|Encryption$|Replication$|BucketLogging|FlowLogs"
)
READ: Final = re.compile(
    r"Get|List|Describe|Head|Search|Lookup|Select|Query|Scan|BatchGet|BatchDescribe|Check|View|Read|Download|Preview"
    r"|Simulate|Validate|Verify|Estimate|Discover|Receive|Poll|Watch|Test|Lookup|Count|Detect|Decrypt|InvokeModel"
    r"|InvokeEndpoint|Converse|Predict|GenerateContent|Pull|Retrieve|StartQuery|AggregatedList|Fetch"
)
CREATE: Final = re.compile(
    r"Create|Run|Register|Allocate|Import|Copy(?!Object)|Submit|Request|Purchase|Provision|Launch|Insert|Add(?!Permission|Tags)"
    r"|Start\w*Job|Generate|Clone|BatchCreate"
)
DELETE: Final = re.compile(
    r"Delete(?!Message)|Terminate|Deregister|Release|Purge|Destroy|BatchDelete|Remove|(Start|End)SecretVersionDelete"
    r"|Schedule\w*Deletion|Expire|Empty"
)


def access_of(service: str, operation: str, read_only: bool | None = None) -> str:
    """The class of access of `operation`; `read_only` is what the record itself says, if it does."""
    if AUTH.search(operation):
        return "auth"
    if read_only or (read_only is None and READ.match(operation)) or operation.startswith("StartQuery"):
        return "read"
    if service in ADMIN_SERVICES or ADMIN.search(operation):
        return "admin"
    if DELETE.match(operation):
        return "delete"
    return "create" if CREATE.match(operation) else "write"
