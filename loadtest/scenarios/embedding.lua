-- One text a request, from four characters to some hundreds.
require("scenario")({ embedding = 1 })
