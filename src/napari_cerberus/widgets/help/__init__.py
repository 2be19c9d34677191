"""Help where one is: the tutorial, the first tour, and a report of a problem."""
