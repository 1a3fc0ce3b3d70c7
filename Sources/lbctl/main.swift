// lbctl: what an operator types. Parses here, then runs the verb on the loop, in this one thread.
import Glibc

exit(runCommandLine())
