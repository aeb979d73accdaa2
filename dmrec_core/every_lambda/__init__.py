"""One model for every lambda, and what lies between kept runs: approximations, measured against runs at each lambda."""

from dmrec_core.every_lambda.between import Between, at_knots, between, neighbours
from dmrec_core.every_lambda.model import ConditionalDMRec, features, modulate
from dmrec_core.every_lambda.record import conditional_run
from dmrec_core.every_lambda.stops import EveryLambda, choose_stops, costs_of_one_stop, stop_epochs, train_stops
