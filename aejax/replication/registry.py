"""Every claim by name, in the order of the ledger."""

from aejax.replication import digits, mnist_autoencoders, mnist_classifiers, tabular
from aejax.replication.claim import NumericClaim, ProtocolEffect
from aejax.replication.evidence import ComparativeClaim

Claim = NumericClaim | ComparativeClaim | ProtocolEffect
ALL_CLAIMS: tuple[Claim, ...] = (
    *tabular.CLAIMS,
    *digits.CLAIMS,
    *mnist_classifiers.CLAIMS,
    *mnist_autoencoders.CLAIMS,
)
CLAIMS: dict[str, Claim] = {claim.name: claim for claim in ALL_CLAIMS}
