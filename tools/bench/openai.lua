-- One text a request in the form of OpenAI's API, which infinity-emb's server answers.
require("scenario")({ embedding = 1 }, {
  body = function(_, input)
    return '{"model":"gte","input":[' .. input .. "]}"
  end,
  result = '"embedding"',
})
