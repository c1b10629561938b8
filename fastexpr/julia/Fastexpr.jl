# fastexpr for Julia: a network that Python saved (net.save(path)), its derivatives, and a set for JuMP's models. Needs no package
# but Julia's own; `oracle` takes MathOptInterface 1.46 or newer, which JuMP brings along.
#
#     include("Fastexpr.jl")   # the path: fastexpr --julia
#     using JuMP, Ipopt
#     net = Fastexpr.Network("net.fx")
#     model = Model(Ipopt.Optimizer)
#     @variable(model, x[1:net.n])
#     @variable(model, y[1:net.m])
#     @constraint(model, [x; y] in Fastexpr.oracle(MOI, net))   # y = f(x)
#
# Arrays are Julia's own: f(x) has m numbers, jacobian(net, x) is (m, n), hessian(net, x, w) is (n, n).
module Fastexpr

using Libdl

const LIBRARY = get(ENV, "FASTEXPR_LIBRARY", joinpath(@__DIR__, "..", "libfastexpr.so"))
const OK = 0
const handle = Ref{Ptr{Cvoid}}(C_NULL)

function symbol(name::Symbol)
    if handle[] == C_NULL
        handle[] = Libdl.dlopen(LIBRARY)
    end
    return Libdl.dlsym(handle[], name)
end

function check(status::Cint)
    status == OK || error(unsafe_string(ccall(symbol(:fastexpr_error), Cstring, ())))
    return nothing
end

version() = unsafe_string(ccall(symbol(:fastexpr_version), Cstring, ()))

"""
    Network(path)

A saved network: `n` inputs, `m` outputs, `lower` and `upper` bounds of x (infinite where none were stated).
"""
mutable struct Network
    pointer::Ptr{Cvoid}
    n::Int
    m::Int
    lower::Vector{Float64}
    upper::Vector{Float64}

    function Network(path::AbstractString)
        pointer = Ref{Ptr{Cvoid}}(C_NULL)
        check(ccall(symbol(:fastexpr_open), Cint, (Cstring, Ref{Ptr{Cvoid}}), path, pointer))
        n = ccall(symbol(:fastexpr_n_inputs), Int64, (Ptr{Cvoid},), pointer[])
        m = ccall(symbol(:fastexpr_n_outputs), Int64, (Ptr{Cvoid},), pointer[])
        lower, upper = Vector{Float64}(undef, n), Vector{Float64}(undef, n)
        check(ccall(symbol(:fastexpr_bounds), Cint, (Ptr{Cvoid}, Ptr{Float64}, Ptr{Float64}), pointer[], lower, upper))
        net = new(pointer[], n, m, lower, upper)
        finalizer(net) do it
            ccall(symbol(:fastexpr_close), Cvoid, (Ptr{Cvoid},), it.pointer)
        end
        return net
    end
end

function expect(what::String, got::Int, expected::Int)
    got == expected || throw(DimensionMismatch("$what: got $got numbers, expected $expected"))
    return nothing
end

function value!(y::Vector{Float64}, net::Network, x::Vector{Float64})
    expect("x", length(x), net.n)
    expect("y", length(y), net.m)
    GC.@preserve net check(ccall(symbol(:fastexpr_value), Cint, (Ptr{Cvoid}, Int64, Ptr{Float64}, Ptr{Float64}),
                                 net.pointer, 1, x, y))
    return y
end

(net::Network)(x::AbstractVector) = value!(Vector{Float64}(undef, net.m), net, collect(Float64, x))

"The Jacobian, (m, n)."
function jacobian(net::Network, x::AbstractVector)
    expect("x", length(x), net.n)
    transposed = Matrix{Float64}(undef, net.n, net.m)  # Julia's columns are the library's rows
    GC.@preserve net check(ccall(symbol(:fastexpr_jacobian), Cint, (Ptr{Cvoid}, Int64, Ptr{Float64}, Ptr{Float64}),
                                 net.pointer, 1, collect(Float64, x), transposed))
    return permutedims(transposed)
end

"The Hessian of w'f(x), (n, n)."
function hessian(net::Network, x::AbstractVector, w::AbstractVector)
    expect("x", length(x), net.n)
    expect("w", length(w), net.m)
    H = Matrix{Float64}(undef, net.n, net.n)  # symmetric
    GC.@preserve net check(ccall(symbol(:fastexpr_hessian), Cint,
                                 (Ptr{Cvoid}, Int64, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}),
                                 net.pointer, 1, collect(Float64, x), collect(Float64, w), H))
    return H
end

"Rows and columns of the entries that can be nonzero, counted from 1; of the Hessian the lower triangle."
function structure(net::Network, of::Symbol)
    count = ccall(symbol(Symbol(:fastexpr_, of, :_n_entries)), Int64, (Ptr{Cvoid},), net.pointer)
    rows, columns = Vector{Int64}(undef, count), Vector{Int64}(undef, count)
    check(ccall(symbol(Symbol(:fastexpr_, of, :_structure)), Cint, (Ptr{Cvoid}, Ptr{Int64}, Ptr{Int64}),
                net.pointer, rows, columns))
    return [(Int(row) + 1, Int(column) + 1) for (row, column) in zip(rows, columns)]
end

"""
    oracle(MOI, net)

The set of all [x; y] with y = f(x), n + m numbers: for `@constraint(model, [x; y] in Fastexpr.oracle(MOI, net))`.
"""
function oracle(MOI::Module, net::Network)
    n, m = net.n, net.m
    of_jacobian, of_hessian = structure(net, :jacobian), structure(net, :hessian)
    n_entries = length(of_jacobian)

    function eval_f(ret, z)
        y = value!(Vector{Float64}(undef, m), net, Vector{Float64}(z[1:n]))
        for k in 1:m
            ret[k] = y[k] - z[n + k]
        end
        return
    end

    function eval_jacobian(ret, z)
        entries = Vector{Float64}(undef, n_entries)
        GC.@preserve net check(ccall(symbol(:fastexpr_jacobian_entries), Cint,
                                     (Ptr{Cvoid}, Int64, Ptr{Float64}, Ptr{Float64}),
                                     net.pointer, 1, Vector{Float64}(z[1:n]), entries))
        ret[1:n_entries] .= entries
        ret[n_entries+1:n_entries+m] .= -1.0
        return
    end

    function eval_hessian_lagrangian(ret, z, mu)
        entries = Vector{Float64}(undef, length(of_hessian))
        GC.@preserve net check(ccall(symbol(:fastexpr_hessian_entries), Cint,
                                     (Ptr{Cvoid}, Int64, Ptr{Float64}, Ptr{Float64}, Ptr{Float64}),
                                     net.pointer, 1, Vector{Float64}(z[1:n]), Vector{Float64}(mu[1:m]), entries))
        ret[1:length(entries)] .= entries
        return
    end

    return MOI.VectorNonlinearOracle(;
        dimension = n + m,
        l = zeros(m),
        u = zeros(m),
        eval_f = eval_f,
        jacobian_structure = [of_jacobian; [(k, n + k) for k in 1:m]],
        eval_jacobian = eval_jacobian,
        hessian_lagrangian_structure = of_hessian,
        eval_hessian_lagrangian = eval_hessian_lagrangian,
    )
end

end
