"""x"""
import sys
from dataclasses import replace
import numpy as np
from tools import crm
from tools.crm import Effects
from tools.simulations.drivers import load_model, is_mature, size_bands
reps = load_model("ml_rep_performance")
def draw(seed, deals, effects, mature_only=False, period=True, change=None):
    lives = crm.draw_lives(seed, deals, 0, deals, effects, 2)
    as_of = crm.days(crm.AS_OF)
    closed = lives.closed_day <= as_of
    old = is_mature(lives.created_day, lives.closed_day, as_of)
    if mature_only: closed &= old
    month = lives.created_day.astype("datetime64[D]").astype("datetime64[M]").astype(int)
    names, edges = size_bands()
    v = {n: lives.segments[n] for n in ("industry","region","product_type","lead_source")}
    v["size"]=np.searchsorted(edges, lives.segments["amount"])
    if period: v["period"]=np.where(old, month//6, 10000+month)
    won = lives.won
    if change: won = change(lives, seed)
    rep=np.array(crm.REPS,object)[lives.segments["sales_rep"][closed]]
    return reps.group(rep, {k:x[closed].astype(str) for k,x in v.items()}, won[closed].astype(float), np.ones(closed.sum()), 20)
