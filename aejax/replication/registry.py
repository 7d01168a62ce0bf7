"""Every claim by name, in the order of the ledger."""

from aejax.replication import (
    bad_protocols,
    digits,
    digits_rbm,
    mnist1d,
    mnist_1998,
    mnist_autoencoders,
    mnist_classifiers,
    tabular,
    vime,
)
from aejax.replication.claim import NumericClaim, ProtocolEffect
from aejax.replication.evidence import ComparativeClaim

Claim = NumericClaim | ComparativeClaim | ProtocolEffect
ALL_CLAIMS: tuple[Claim, ...] = (
    *tabular.CLAIMS,
    *digits.CLAIMS,
    *digits_rbm.CLAIMS,
    *mnist1d.CLAIMS,
    *mnist_classifiers.CLAIMS,
    *mnist_1998.CLAIMS,
    *vime.CLAIMS,
    *mnist_autoencoders.CLAIMS,
    *bad_protocols.CLAIMS,
)
CLAIMS: dict[str, Claim] = {claim.name: claim for claim in ALL_CLAIMS}
