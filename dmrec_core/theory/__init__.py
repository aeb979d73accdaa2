"""Mathematics that only teaches: bounds, information, transport, pooling, estimates by sampling."""

from dmrec_core.theory.elbo import evidence_lower_bound, importance_weighted_bound, log_importance_weights
from dmrec_core.theory.information import LinearGaussianWorld, information, information_bottleneck
from dmrec_core.theory.monte_carlo import composite_divergence_by_sampling, draws_from, mean_of_draws
from dmrec_core.theory.one_dimension import composite_curves, gaussian, mean_slopes, pull_on_parameters
from dmrec_core.theory.pooling import log_linear_pool, pool_constant
from dmrec_core.theory.transport import transport_map
