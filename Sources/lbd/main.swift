// lbd, the load balancer.
import Glibc

exit(start(Lbd.parseOrExit().arguments))
